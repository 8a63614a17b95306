/**
 * Prepares a caller's JSON Schema for the library: keeps the keywords that constrain an answer,
 * checks their values, bounds size and depth, and checks that every reference stays within the
 * schema. Knows nothing of the library or of answers.
 *
 * Keywords are those of draft 2020-12. Older documents are accepted if they mean the same in it.
 * Unknown keywords are ignored, as the standard asks (JSON Schema core, section 6.5).
 */
import { AppError } from '../../../errors.ts'
import { isKnownFormat, compilePattern, type Pattern } from './pattern.ts'
import { isFields } from '../../../openai/fields.ts'

interface PreparedSchema {
  schema: Record<string, unknown>
  /** source → pattern, of all patterns in the schema */
  patterns: ReadonlyMap<string, Pattern>
  /** characters of the schema as JSON */
  chars: number
}

/** Keyword with the cost of one evaluation of its schema; a caller's own is removed. */
export const COST = 'cost'

/** OpenAI allows 10 levels of objects; each may take three schema levels. */
const MAX_DEPTH = 64
/** Parts are keywords, names and items of lists; compiling takes 30 to 80 µs for each. */
const MAX_PARTS = 1000
/** Cost of a pattern in parts: a fixed number, and one more for each few instructions. */
const PARTS_PER_PATTERN = 4
const INSTRUCTIONS_PER_PART = 4
const MAX_CHARS = 65_536

/** The library does not check a property of this name, so a schema with it is refused. */
const UNCHECKED_NAME = '__proto__'

type ValueTest = (value: unknown) => boolean

const isNumber: ValueTest = (value) => Number.isFinite(value)
const isCount: ValueTest = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isBoolean: ValueTest = (value) => typeof value === 'boolean'
const isString: ValueTest = (value) => typeof value === 'string'
const isTexts: ValueTest = (value) => Array.isArray(value) && value.every(isString)
const isFilled = (value: unknown): value is unknown[] => Array.isArray(value) && value.length > 0

const TYPES = new Set<unknown>([
  'null',
  'boolean',
  'object',
  'array',
  'number',
  'integer',
  'string',
])

const VALUES: Readonly<Record<string, ValueTest>> = {
  type: (value) =>
    isFilled(value)
      ? value.every((type) => TYPES.has(type)) && new Set(value).size === value.length
      : TYPES.has(value),
  enum: isFilled,
  const: () => true,
  multipleOf: (value) => isNumber(value) && (value as number) > 0,
  maximum: isNumber,
  exclusiveMaximum: isNumber,
  minimum: isNumber,
  exclusiveMinimum: isNumber,
  maxLength: isCount,
  minLength: isCount,
  pattern: isString,
  format: isString,
  maxItems: isCount,
  minItems: isCount,
  uniqueItems: isBoolean,
  maxContains: isCount,
  minContains: isCount,
  maxProperties: isCount,
  minProperties: isCount,
  required: isTexts,
  dependentRequired: (value) =>
    isFields(value) && !Object.hasOwn(value, UNCHECKED_NAME) && Object.values(value).every(isTexts),
  $ref: (value) => typeof value === 'string' && value.startsWith('#'),
}

const SCHEMAS = new Set([
  'items',
  'contains',
  'additionalProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
  'not',
  'if',
  'then',
  'else',
])
const LISTS = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const MAPS = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
])

/** Keywords that change the target of references, or differ between drafts. */
const REFUSED = new Set([
  '$id',
  '$anchor',
  '$dynamicRef',
  '$dynamicAnchor',
  '$recursiveRef',
  '$recursiveAnchor',
  'dependencies',
])

/** Drafts that mean the same as 2020-12 without the refused keywords. */
const DRAFT =
  /^https?:\/\/json-schema\.org\/(?:draft-0[67]\/schema|draft\/(?:2019-09|2020-12)\/schema)#?$/
/** These drafts ignore all keywords beside `$ref`; newer drafts do not. */
const OLD_DRAFT = /draft-0[67]/
const HARMLESS_BESIDE_REF = new Set(['$defs', 'definitions', 'title', 'description', 'default'])

const refuse = (message: string): never => {
  throw new AppError('invalid-request', message)
}

/** Name of a member in a JSON pointer (RFC 6901, section 3). */
const escapeName = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1')

/** Members and items of a value, at any depth. Not recursive: it may be nested deeper than the stack. */
const partsOf = (root: unknown): number => {
  let parts = 0
  const open = [root]
  while (open.length > 0) {
    const value = open.pop()
    if (typeof value !== 'object' || value === null) continue
    for (const inner of Object.values(value)) {
      parts++
      open.push(inner)
    }
  }
  return parts
}

/** Parts of a keyword without the schemas in its value, which are counted when they are read. */
const ownPartsOf = (keyword: string, value: unknown): number => {
  if (SCHEMAS.has(keyword)) return 1
  const isCollection = LISTS.has(keyword) || MAPS.has(keyword)
  return 1 + (isCollection ? Object.keys(value ?? {}).length : partsOf(value))
}

/** State of the preparation of one schema. */
class Preparation {
  readonly patterns = new Map<string, Pattern>()
  private readonly places = new Set<string>()
  private readonly references = new Set<string>()
  private parts = 0

  constructor(private readonly isOldDraft: boolean) {}

  /** @returns the kept keywords of the schema, and its cost */
  prepare(schema: unknown, place: string, depth: number): unknown {
    this.places.add(place)
    if (typeof schema === 'boolean') return schema
    if (!isFields(schema)) return refuse(`the schema at #${place} is neither object nor boolean`)
    if (depth > MAX_DEPTH) return refuse(`the schema is nested deeper than ${MAX_DEPTH} levels`)
    this.checkKeywords(schema)
    let cost = 1
    const kept: [string, unknown][] = []
    for (const [keyword, value] of Object.entries(schema)) {
      const isNested = SCHEMAS.has(keyword) || LISTS.has(keyword) || MAPS.has(keyword)
      if (!isNested && !Object.hasOwn(VALUES, keyword)) continue
      if (keyword === 'format' && !isKnownFormat(value)) continue
      const parts = ownPartsOf(keyword, value)
      this.count(parts)
      cost += parts
      kept.push([
        keyword,
        isNested
          ? this.nested(keyword, value, `${place}/${keyword}`, depth + 1)
          : this.value(keyword, value, place),
      ])
    }
    return Object.fromEntries([...kept, [COST, cost]])
  }

  /** @throws AppError when the target of a reference is not a schema of the document */
  checkReferences(): void {
    for (const reference of this.references) {
      const place = decodeURIComponent(reference.slice(1))
      if (!this.places.has(place))
        refuse(`the reference ${reference} does not point to a part of the schema`)
    }
  }

  private checkKeywords(schema: Record<string, unknown>): void {
    const keywords = Object.keys(schema)
    const refused = keywords.find((keyword) => REFUSED.has(keyword))
    if (refused !== undefined) refuse(`the keyword ${refused} is not supported`)
    if (!this.isOldDraft || !Object.hasOwn(schema, '$ref')) return
    if (keywords.some((keyword) => keyword !== '$ref' && !HARMLESS_BESIDE_REF.has(keyword))) {
      refuse('a keyword beside $ref means different things in different drafts')
    }
  }

  private count(parts: number): void {
    this.parts += parts
    if (this.parts > MAX_PARTS) refuse(`the schema has more than ${MAX_PARTS} parts`)
  }

  private value(keyword: string, value: unknown, place: string): unknown {
    if (!VALUES[keyword]!(value)) refuse(`the value of ${keyword} at #${place} is not valid`)
    if (keyword === '$ref') this.references.add(value as string)
    if (keyword === 'pattern') this.addPattern(value as string)
    return value
  }

  private nested(keyword: string, value: unknown, place: string, depth: number): unknown {
    if (SCHEMAS.has(keyword)) return this.prepare(value, place, depth)
    if (LISTS.has(keyword)) {
      if (!isFilled(value)) return refuse(`${place} is not a list of schemas`)
      return value.map((schema, index) => this.prepare(schema, `${place}/${index}`, depth))
    }
    if (!isFields(value)) return refuse(`${place} is not an object`)
    if (Object.hasOwn(value, UNCHECKED_NAME)) refuse(`${place} has the name ${UNCHECKED_NAME}`)
    const members = Object.entries(value).map(([name, schema]) => {
      if (keyword === 'patternProperties') this.addPattern(name)
      return [name, this.prepare(schema, `${place}/${escapeName(name)}`, depth)]
    })
    return Object.fromEntries(members)
  }

  private addPattern(source: string): void {
    if (this.patterns.has(source)) return
    const pattern = compilePattern(source)
    this.patterns.set(source, pattern)
    this.count(PARTS_PER_PATTERN + Math.ceil(pattern.size / INSTRUCTIONS_PER_PART))
  }
}

/** @throws AppError `invalid-request` with the reason why answers cannot be checked against it */
export const prepareSchema = (document: unknown): PreparedSchema => {
  if (!isFields(document)) return refuse('the schema is not an object')
  const { $id: _unused, $schema = '', ...root } = document
  if (typeof $schema !== 'string' || ($schema !== '' && !DRAFT.test($schema))) {
    return refuse('the draft that $schema names is not supported')
  }
  const preparation = new Preparation(OLD_DRAFT.test($schema))
  const schema = preparation.prepare(root, '', 0) as Record<string, unknown>
  preparation.checkReferences()
  const chars = JSON.stringify(schema).length
  if (chars > MAX_CHARS) refuse(`the schema has more than ${MAX_CHARS} characters`)
  return { schema, patterns: preparation.patterns, chars }
}
