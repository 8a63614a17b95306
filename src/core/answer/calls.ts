/**
 * Calls of functions as text, the one form in which they are learned, compared and generated: a line for each
 * call, with its name and its arguments as canonical JSON. Two answers call the same exactly where their texts
 * are equal. And whether a request allows calls, or wants one.
 */
import { canonicalJson, hasLongNumber, parseUnambiguousJson } from '../json.ts'
import { isFields, ownOf, type Fields } from '../../openai/fields.ts'
import type { BoundCalls, ChatRequest } from '../../openai/chat.ts'

export interface Call {
  name: string
  arguments: Record<string, unknown>
}

/** Begins each line, with a blank. An answer in text that begins so cannot be told from a call. */
export const CALL_MARK = '[[call]]'
/** OpenAI's names of functions. A text in JSON may have any separator of lines but the one that is escaped. */
const LINE = /^\[\[call\]\] ([\w.-]{1,128}) (\{.*\})$/s

/** A call and its line. */
export const callLine = ({ name, arguments: given }: Call): string =>
  `${CALL_MARK} ${name} ${canonicalJson(given)}`

/** Blanks before the mark do not make a text of it. */
export const isCallText = (text: string): boolean => text.trimStart().startsWith(CALL_MARK)

const objectIn = (json: unknown): Record<string, unknown> | null => {
  const value = typeof json === 'string' ? parseUnambiguousJson(json) : undefined
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  // canonical JSON would write another number
  return hasLongNumber(json as string) ? null : (value as Record<string, unknown>)
}

/** A call of a chat completion. @returns null for a custom tool, and for arguments that are no JSON object */
const callOf = (value: unknown): Call | null => {
  const { type, function: called } = (value ?? {}) as { type?: unknown; function?: unknown }
  const { name, arguments: json } = (called ?? {}) as { name?: unknown; arguments?: unknown }
  // functions without parameters are called with an empty text by some models
  const given = json === '' ? {} : objectIn(json)
  if (type !== 'function' || typeof name !== 'string' || given === null) return null
  const call = { name, arguments: given }
  return LINE.test(callLine(call)) ? call : null
}

/** @param toolCalls of a chat completion's message @returns null where one of them has no such form */
export const callsText = (toolCalls: readonly unknown[]): string | null => {
  const calls = toolCalls.map(callOf)
  return calls.length > 0 && calls.every((call) => call !== null)
    ? calls.map(callLine).join('\n')
    : null
}

/** @returns null for any other text */
export const parseCalls = (text: string): Call[] | null => {
  const calls = text
    .trim()
    .split('\n')
    .map((line) => {
      const [, name, json] = LINE.exec(line.trim()) ?? []
      const given = objectIn(json)
      return name === undefined || given === null ? null : { name, arguments: given }
    })
  return calls.every((call) => call !== null) ? calls : null
}

const ALTERNATIVES = ['anyOf', 'oneOf', 'allOf']

/** @param reference a JSON pointer in a fragment (RFC 6901 §6); others lead nowhere */
const referredIn = (root: unknown, reference: unknown): unknown => {
  if (typeof reference !== 'string' || !reference.startsWith('#')) return undefined
  const names = reference.split('/').slice(1)
  return names.reduce<unknown>(
    (value, name) => ownOf(value, name.replaceAll('~1', '/').replaceAll('~0', '~')),
    root
  )
}

/** The schemas that may describe one value: those given, their alternatives, and what they refer to. */
const allOf = (schemas: readonly unknown[], root: unknown): Fields[] => {
  const found = new Set<Fields>()
  const open = schemas.toReversed()
  while (open.length > 0) {
    const schema = open.pop()
    if (!isFields(schema) || found.has(schema)) continue
    found.add(schema)
    const inner = ALTERNATIVES.flatMap((name) => ownOf(schema, name) ?? [])
    open.push(...[referredIn(root, ownOf(schema, '$ref')), ...inner].toReversed())
  }
  return [...found]
}

const objectText = (value: Fields, schemas: readonly Fields[], root: unknown): string => {
  const properties = schemas.map((schema) => ownOf(schema, 'properties'))
  const named = new Set(properties.flatMap((each) => (isFields(each) ? Object.keys(each) : [])))
  const names = [...named].filter((name) => Object.hasOwn(value, name))
  const others = Object.keys(value).filter((name) => !named.has(name))
  const members = [...names, ...others].map((name) => {
    const inner = properties.map((each) => ownOf(each, name))
    return `${JSON.stringify(name)}:${textOf(value[name], inner, root)}`
  })
  return `{${members.join(',')}}`
}

const textOf = (value: unknown, described: readonly unknown[], root: unknown): string => {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const schemas = allOf(described, root)
  if (!Array.isArray(value)) return objectText(value as Fields, schemas, root)
  const items = schemas.map((schema) => ownOf(schema, 'items'))
  return `[${value.map((item) => textOf(item, items, root)).join(',')}]`
}

/**
 * Arguments of a call as JSON whose names have the order of the function's schema, as OpenAI documents it for its own
 * answers ("in the same order as the ordering of keys in the schema", Structured Outputs). Learned calls have sorted
 * names, which would let a reader of a stream see a later argument before an earlier one.
 * @param given arguments of a call; members that the schema does not name come last, in their own order
 * @param parameters schema of the function; anything but an object orders nothing
 */
export const argumentsText = (given: Record<string, unknown>, parameters: unknown): string =>
  textOf(given, [parameters], parameters)

/** `call-not-allowed`: a function that the request has not, or more calls than it allows */
export type ToolFault = 'call-not-allowed' | 'call-missing'

interface FunctionTool {
  type?: unknown
  function?: { name?: unknown; parameters?: unknown }
}

type NamedFunction = NonNullable<FunctionTool['function']> & { name: string }

const functionsOf = (tools: unknown): NamedFunction[] =>
  ((Array.isArray(tools) ? tools : []) as (FunctionTool | null)[]).flatMap((tool) =>
    tool?.type === 'function' && typeof tool.function?.name === 'string'
      ? [tool.function as NamedFunction]
      : []
  )

/** The function with a name; null where the request has none, or one of another kind. */
export const functionNamed = (request: ChatRequest, name: string): NamedFunction | null =>
  functionsOf(request.tools).find((one) => one.name === name) ?? null

interface ToolChoice extends FunctionTool {
  allowed_tools?: { mode?: unknown; tools?: unknown } | null
}

interface CallChoice {
  /** that may be called; null: all of the request's */
  names: ReadonlySet<string> | null
  isRequired: boolean
}

const NOTHING: ReadonlySet<string> = new Set()

/** Of `tool_choice: {"type": "allowed_tools", …}`; tools that are no functions have no effect. */
const allowedTools = ({ mode, tools }: { mode?: unknown; tools?: unknown }): CallChoice => {
  const names = functionsOf(tools).map(({ name }) => name)
  return { names: new Set(names), isRequired: mode !== 'auto' }
}

const choiceOf = ({ tool_choice: choice }: ChatRequest): CallChoice => {
  if (choice === undefined || choice === null || choice === 'auto')
    return { names: null, isRequired: false }
  if (choice === 'none') return { names: NOTHING, isRequired: false }
  if (typeof choice !== 'object') return { names: null, isRequired: true }
  const { type, function: named, allowed_tools: allowed } = choice as ToolChoice
  if (type === 'allowed_tools') return allowedTools(allowed ?? {})
  // a tool of another kind must be called, so there is no answer that a lora could give
  const only = type === 'function' && typeof named?.name === 'string' ? [named.name] : []
  return { names: new Set(only), isRequired: true }
}

const allowedFunctions = ({ tools }: ChatRequest, { names }: CallChoice): NamedFunction[] =>
  functionsOf(tools).filter(({ name }) => names?.has(name) ?? true)

/** @param calls of an answer; null for a text @returns null where the request allows them */
export const toolFault = (
  calls: readonly Call[] | null,
  request: ChatRequest
): ToolFault | null => {
  const choice = choiceOf(request)
  if (calls === null) return choice.isRequired ? 'call-missing' : null
  if (calls.length > 1 && request['parallel_tool_calls'] === false) return 'call-not-allowed'
  const allowed = new Set(allowedFunctions(request, choice).map(({ name }) => name))
  return calls.every(({ name }) => allowed.has(name)) ? null : 'call-not-allowed'
}

/**
 * What `toolFault` and the functions' schemas allow, for an engine that binds its generation to it.
 * @param mayDefer whether the lora may also answer by a text that means no answer
 * @returns null where the request has no tools
 */
export const boundCalls = (request: ChatRequest, mayDefer: boolean): BoundCalls | null => {
  if (!Array.isArray(request.tools) || request.tools.length === 0) return null
  const choice = choiceOf(request)
  const functions = allowedFunctions(request, choice).map(({ name, parameters }) => ({
    name,
    ...(parameters === undefined || parameters === null ? {} : { parameters }),
  }))
  return {
    functions,
    required: choice.isRequired && !mayDefer && functions.length > 0,
    parallel: request['parallel_tool_calls'] !== false,
  }
}
