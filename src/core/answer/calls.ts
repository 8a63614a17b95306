/**
 * Calls of functions as text, the one form in which they are learned, compared and generated: a line for each
 * call, with its name and its arguments as canonical JSON. Two answers call the same exactly where their texts
 * are equal.
 */
import { canonicalJson, hasLongNumber, parseUnambiguousJson } from '../json.ts'

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
