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

const functionsOf = ({ tools }: ChatRequest): NamedFunction[] =>
  ((Array.isArray(tools) ? tools : []) as (FunctionTool | null)[]).flatMap((tool) =>
    tool?.type === 'function' && typeof tool.function?.name === 'string'
      ? [tool.function as NamedFunction]
      : []
  )

/** The function with a name; null where the request has none, or one of another kind. */
export const functionNamed = (request: ChatRequest, name: string): NamedFunction | null =>
  functionsOf(request).find((one) => one.name === name) ?? null

/** `none`, `auto`, `required`, or the only function that may be called. */
const choiceOf = ({ tool_choice: choice }: ChatRequest): { only: string } | string => {
  if (choice === undefined || choice === null) return 'auto'
  if (typeof choice === 'string') return choice
  const { type, function: named } = choice as FunctionTool
  // a list of allowed tools, or of another kind: nothing may be called
  return type === 'function' && typeof named?.name === 'string' ? { only: named.name } : 'none'
}

/** @param calls of an answer; null for a text @returns null where the request allows them */
export const toolFault = (
  calls: readonly Call[] | null,
  request: ChatRequest
): ToolFault | null => {
  const choice = choiceOf(request)
  if (calls === null) return choice === 'auto' || choice === 'none' ? null : 'call-missing'
  if (choice === 'none') return 'call-not-allowed'
  if (calls.length > 1 && request['parallel_tool_calls'] === false) return 'call-not-allowed'
  const areKnown = calls.every(
    ({ name }) =>
      functionNamed(request, name) !== null && (typeof choice === 'string' || choice.only === name)
  )
  return areKnown ? null : 'call-not-allowed'
}

/**
 * What `toolFault` and the functions' schemas allow, for an engine that binds its generation to it.
 * @param mayDefer whether the lora may also answer by a text that means no answer
 * @returns null where the request has no tools
 */
export const boundCalls = (request: ChatRequest, mayDefer: boolean): BoundCalls | null => {
  if (!Array.isArray(request.tools) || request.tools.length === 0) return null
  const choice = choiceOf(request)
  const allowed = functionsOf(request).filter(
    ({ name }) => choice !== 'none' && (typeof choice === 'string' || choice.only === name)
  )
  return {
    functions: allowed.map(({ name, parameters }) => ({
      name,
      ...(parameters === undefined || parameters === null ? {} : { parameters }),
    })),
    required: choice !== 'auto' && choice !== 'none' && !mayDefer && allowed.length > 0,
    parallel: request['parallel_tool_calls'] !== false,
  }
}
