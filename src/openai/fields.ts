/** Objects in JSON of others, and what of them carries nothing. */
import { isDeepStrictEqual } from 'node:util'

export type Fields = Record<string, unknown>

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A member of the object itself: JSON may name one that all objects have, such as `__proto__`. */
export const ownOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Fields)[name]
    : undefined

/** @returns null for a text that is no JSON */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Lists that the API gives empty with an answer: citations and, in the Responses API, probabilities. */
const EMPTY_LISTS = new Set(['annotations', 'logprobs', 'tool_calls'])

/** What the helpers `parse` and `stream` add: the value of a text in JSON. */
const READ_BY_CLIENT = new Set(['parsed', 'parsed_arguments'])

/**
 * Whether an official client sends a member back with an answer and no model reads it: the member is null or an
 * empty list where the API gives a value of nothing, or repeats a text as the value that the client has read from it.
 * A history with such members is the one without.
 * @param text that the member stands beside: the content of a message or the arguments of a call
 * @returns false for a member that could say something
 */
export const carriesNothing = (name: string, value: unknown, text: unknown): boolean => {
  if (value === null) return true
  if (EMPTY_LISTS.has(name)) return Array.isArray(value) && value.length === 0
  if (!READ_BY_CLIENT.has(name) || typeof text !== 'string') return false
  return isDeepStrictEqual(value, parseJson(text))
}
