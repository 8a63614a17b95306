/** Whether a request allows an answer's calls of functions, or wants one. Knows nothing of arguments. */
import type { BoundCalls, ChatRequest } from '../../openai/chat.ts'
import type { Call } from './calls.ts'

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
