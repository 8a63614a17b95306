/**
 * Checks that an answer has the form that its request asks for (`response_format`). A format that
 * cannot be checked is found before the lora is asked, and the request goes to the upstream. Knows
 * nothing of routes.
 */
import { LRUCache } from 'lru-cache'
import type { ChatRequest } from '../../../openai/chat.ts'
import type { Call } from '../calls.ts'
import { functionNamed } from '../tool-rules.ts'
import { compileSchema, type CompiledSchema } from './compile.ts'
import { parseUnambiguousJson } from '../../json.ts'

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

const isObject = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

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
    if (format.type === 'json_object') return isObject(value)
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
