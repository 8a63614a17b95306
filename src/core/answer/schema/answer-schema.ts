/**
 * Checks that an answer has the form that its request asks for (`response_format`). A format that
 * cannot be checked is found before the lora is asked, and the request goes to the upstream. Knows
 * nothing of routes.
 */
import { LRUCache } from 'lru-cache'
import type { ChatRequest } from '../../../openai/chat.ts'
import { functionNamed, type Call } from '../calls.ts'
import { parseUnambiguousJson } from '../../json.ts'
import { Ajv2020, type FuncKeywordDefinition } from 'ajv/dist/2020.js'
import { AppError } from '../../../errors.ts'
import { FORMATS, type Pattern } from './pattern.ts'
import { COST, prepareSchema } from './prepare.ts'
import { valueIn } from '../../lists.ts'
import { isFields } from '../../../openai/fields.ts'

/**
 * A caller's JSON Schema as a check of a value. Schema and value are untrusted, so the library gets a prepared schema
 * (`prepare.ts`), patterns run in linear time (`pattern.ts`), and a check that takes too long ends with "does not fit".
 */
interface CompiledSchema {
  /** estimated memory */
  bytes: number
  /** never throws; false also when the check is too much work */
  accepts(value: unknown): boolean
}

/** Units of one check. A unit is a keyword, or a name or item of a value; it takes up to 0.2 µs. */
const MAX_WORK = 200_000
/** Steps of a pattern in a unit; a step is one instruction at one character. */
const STEPS_PER_UNIT = 8
/** Compared pairs of items in a unit. */
const PAIRS_PER_UNIT = 4

/** The work of the check in progress; checks are synchronous, so there is one at a time. */
class Work {
  private left = 0

  begin(): void {
    this.left = MAX_WORK
  }

  /** @throws AppError when the limit is exceeded */
  spend(units: number): void {
    this.left -= units
    if (this.left < 0) throw new AppError('invalid-request', 'the check is too much work')
  }
}

/** Measured on compiled schemas of 700 to 5,000 characters. */
const BYTES_PER_SCHEMA = 45_000
const BYTES_PER_CHAR = 50

const sizeOf = (value: unknown): number => {
  if (typeof value === 'string' || Array.isArray(value)) return value.length
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0
}

/**
 * Counts each evaluation of a schema before its other keywords run. References can make a small
 * schema visit a small value exponentially often; items are compared in pairs.
 */
const costKeyword = (work: Work): FuncKeywordDefinition => ({
  keyword: COST,
  schemaType: 'number',
  before: '$ref',
  errors: false,
  validate: (cost: number, value: unknown, schema?: { uniqueItems?: unknown }) => {
    const size = sizeOf(value)
    const pairs = schema?.uniqueItems === true && Array.isArray(value) ? size ** 2 : 0
    work.spend(cost + size + pairs / PAIRS_PER_UNIT)
    return true
  },
})

const patternEngine = (patterns: ReadonlyMap<string, Pattern>, work: Work) =>
  Object.assign(
    (source: string) => {
      const pattern = valueIn(patterns, source)
      return {
        test: (text: string) => {
          work.spend((pattern.size * (text.length + 1)) / STEPS_PER_UNIT)
          return pattern.test(text)
        },
        // the library uses it as the identity of a pattern
        toString: () => source,
      }
    },
    { code: 'pattern' }
  )

/**
 * @param document the caller's JSON Schema
 * @throws AppError `invalid-request` with the reason why it cannot be compiled within the limits
 */
const compileSchema = (document: unknown): CompiledSchema => {
  const { schema, patterns, chars } = prepareSchema(document)
  const work = new Work()
  // one instance for each schema: an instance never frees its compiled schemas
  const ajv = new Ajv2020({
    // `prepareSchema` has checked it; the meta-schema would take 50 ms to compile
    meta: false,
    validateSchema: false,
    strict: false,
    messages: false,
    logger: false,
    inlineRefs: false,
    addUsedSchema: false,
    // `{}` has no member `constructor`
    ownProperties: true,
    formats: FORMATS,
    code: { regExp: patternEngine(patterns, work), optimize: false },
  })
  ajv.addKeyword(costKeyword(work))
  // without a name, references to the root are not resolved
  const validate = ajv.compile({ ...schema, $id: 'answer' })
  return {
    bytes: BYTES_PER_SCHEMA + chars * BYTES_PER_CHAR,
    accepts: (value) => {
      try {
        work.begin()
        return validate(value)
      } catch {
        // too much work, or a stack overflow: a schema that refers to itself, or a deep value
        return false
      } finally {
        for (const pattern of patterns.values()) pattern.reset()
      }
    },
  }
}

export type FormatFault = 'not-json' | 'not-valid'

export interface AnswerFormats {
  /**
   * @param digest of the request's `response_format`, as in its template's key
   * @returns the reason why answers cannot be checked against the format, or null
   */
  unsupported(request: ChatRequest, digest: string): string | null
  /**
   * `not-json`: not JSON, or JSON that parsers read differently; `not-valid`: it does not fit the
   * schema, is not the object that was asked for, or cannot be checked.
   */
  faultOf(answer: string, request: ChatRequest, digest: string): FormatFault | null
  /**
   * `not-valid` where arguments do not fit the parameters of their function, or cannot be checked.
   * @param digest of the request's tools, as in its template's key
   */
  faultOfCalls(calls: readonly Call[], request: ChatRequest, digest: string): FormatFault | null
}

/** Of a function that names none. */
const WITHOUT_PARAMETERS = { type: 'object', additionalProperties: false }
/** Compiled schemas in the cache. */
const MAX_SCHEMAS = 1000
const MAX_BYTES = 64 * 2 ** 20
/** Size of a cached schema that is not supported, with its reason. */
const UNSUPPORTED_BYTES = 2000

type ResponseFormat = NonNullable<ChatRequest['response_format']>

type Compiled = CompiledSchema | { bytes: number; unsupported: string }

const compile = (schema: unknown): Compiled => {
  try {
    return compileSchema(schema)
  } catch (error) {
    // RangeError and URIError too: a schema that breaks the compiler is not supported
    const unsupported = error instanceof Error ? error.message : String(error)
    return { bytes: UNSUPPORTED_BYTES, unsupported }
  }
}

/** Null: the answer may be any text. */
const formatOf = ({ response_format: format }: ChatRequest): ResponseFormat | null =>
  format === null || format === undefined || format.type === 'text' ? null : format

/** A schema is compiled at its first use, in at most about 60 ms, and cached by its digest. */
export const createAnswerFormats = (): AnswerFormats => {
  const schemas = new LRUCache<string, Compiled>({
    max: MAX_SCHEMAS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ bytes }) => bytes,
  })
  const compiledAs = (name: string, schema: unknown): Compiled => {
    const known = schemas.get(name)
    if (known !== undefined) return known
    const compiled = compile(schema)
    schemas.set(name, compiled)
    return compiled
  }
  const schemaOf = ({ json_schema: wanted }: ResponseFormat, digest: string): Compiled =>
    compiledAs(digest, ((wanted ?? {}) as { schema?: unknown }).schema)
  const areArguments = ({ name, arguments: given }: Call, request: ChatRequest, digest: string) => {
    const parameters = functionNamed(request, name)?.parameters ?? WITHOUT_PARAMETERS
    const schema = compiledAs(`${digest} ${name}`, parameters)
    return 'accepts' in schema && schema.accepts(given)
  }
  const fits = (value: unknown, format: ResponseFormat, digest: string): boolean => {
    if (format.type === 'json_object') return isFields(value)
    if (format.type !== 'json_schema') return false
    const schema = schemaOf(format, digest)
    return 'accepts' in schema && schema.accepts(value)
  }
  return {
    unsupported: (request, digest) => {
      const format = formatOf(request)
      if (format === null || format.type === 'json_object') return null
      if (format.type !== 'json_schema')
        return `the response format ${String(format.type)} is not known`
      const schema = schemaOf(format, digest)
      return 'unsupported' in schema ? schema.unsupported : null
    },
    faultOf: (answer, request, digest) => {
      const format = formatOf(request)
      if (format === null) return null
      const value = parseUnambiguousJson(answer)
      if (value === undefined) return 'not-json'
      return fits(value, format, digest) ? null : 'not-valid'
    },
    faultOfCalls: (calls, request, digest) =>
      calls.every((call) => areArguments(call, request, digest)) ? null : 'not-valid',
  }
}
