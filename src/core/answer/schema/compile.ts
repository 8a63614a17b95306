/**
 * Compiles a caller's JSON Schema to a check of a value. Schema and value are untrusted, so the
 * library gets a prepared schema (`prepare.ts`), patterns run in linear time (`pattern.ts`), and a
 * check that takes too long ends with "does not fit".
 */
import { Ajv2020, type FuncKeywordDefinition } from 'ajv/dist/2020.js'
import { AppError } from '../../../errors.ts'
import { FORMATS } from './formats.ts'
import type { Pattern } from './pattern.ts'
import { COST, prepareSchema } from './prepare.ts'
import { valueIn } from '../../lists.ts'

export interface CompiledSchema {
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
export const compileSchema = (document: unknown): CompiledSchema => {
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
