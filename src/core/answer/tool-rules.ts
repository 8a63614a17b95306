/** Whether a request allows an answer's calls of functions, or wants one. Knows nothing of arguments. */
import type { ChatRequest } from '../../openai/chat.ts'
import { parseCalls, isCallText } from './calls.ts'

/** `call-not-allowed`: a function that the request has not, or more calls than it allows */
export type ToolFault = 'call-not-allowed' | 'call-missing'

interface FunctionTool {
  type?: unknown
  function?: { name?: unknown; parameters?: unknown }
}

/** The function with a name; null where the request has none, or one of another kind. */
export const functionNamed = (
  { tools }: ChatRequest,
  name: string
): NonNullable<FunctionTool['function']> | null => {
  const all = (Array.isArray(tools) ? tools : []) as (FunctionTool | null)[]
  const found = all.find((tool) => tool?.type === 'function' && tool.function?.name === name)
  return found?.function ?? null
}

/** `none`, `auto`, `required`, or the only function that may be called. */
const choiceOf = ({ tool_choice: choice }: ChatRequest): { only: string } | string => {
  if (choice === undefined || choice === null) return 'auto'
  if (typeof choice === 'string') return choice
  const { type, function: named } = choice as FunctionTool
  // a list of allowed tools, or of another kind: nothing may be called
  return type === 'function' && typeof named?.name === 'string' ? { only: named.name } : 'none'
}

/** @param answer a text, or calls as text @returns null where the request allows it */
export const toolFault = (answer: string, request: ChatRequest): ToolFault | null => {
  const choice = choiceOf(request)
  if (!isCallText(answer)) return choice === 'auto' || choice === 'none' ? null : 'call-missing'
  const calls = parseCalls(answer) ?? []
  if (choice === 'none') return 'call-not-allowed'
  if (calls.length > 1 && request['parallel_tool_calls'] === false) return 'call-not-allowed'
  const areKnown = calls.every(
    ({ name }) =>
      functionNamed(request, name) !== null && (typeof choice === 'string' || choice.only === name)
  )
  return areKnown ? null : 'call-not-allowed'
}
