/**
 * Limits a generation to a text, or to calls of known functions with arguments of their schemas. A call is a
 * line: `[[call]] name {"a":1}`. A text that begins with the mark cannot be told from a call, so it must be one.
 */
import type { BoundCalls } from '../../../src/openai/chat.ts'
import type { Constraint } from './constraint.ts'
import { objectOf } from './json-schema.ts'
import { isBlank } from './json-tokens.ts'
import {
  either,
  END,
  literal,
  object,
  oneText,
  type Matcher,
  type Part,
  type Rest,
} from './matcher.ts'

const MARK = '[[call]] '
const MARK_BYTES = new TextEncoder().encode(MARK)
/** Bytes that a text may have in common with the mark. */
const MOST_IN_COMMON = MARK_BYTES.length - 2

const WITHOUT_ARGUMENTS: Part = object([])

const ANY_TEXT: Matcher = { step: () => ANY_TEXT, mayEnd: true }

const beginning = (rules: BoundCalls): Matcher => {
  const parts = rules.functions.map(({ name, parameters }) => ({
    name,
    given:
      parameters === undefined || parameters === null ? WITHOUT_ARGUMENTS : objectOf(parameters),
  }))
  const call: Rest = () =>
    oneText(
      parts.map(({ name, given }) => ({ text: `${name} `, rest: () => given(() => afterCall) }))
    )
  const afterCall = rules.parallel ? either([END, literal('\n', () => literal(MARK, call))]) : END
  /** Behind blanks and some bytes of the mark. */
  const at = (count: number): Matcher => ({
    step: (byte) => {
      if (byte === MARK_BYTES[count]) {
        if (count + 1 === MARK_BYTES.length) return call()
        return parts.length > 0 || count < MOST_IN_COMMON ? at(count + 1) : null
      }
      if (rules.required || count > MOST_IN_COMMON) return null
      return count === 0 && isBlank(byte) ? at(0) : ANY_TEXT
    },
    mayEnd: !rules.required && count <= MOST_IN_COMMON,
  })
  return at(0)
}

/**
 * @param tokenBytes a token's bytes, empty for control tokens
 * @param endIds tokens that end the generation
 */
export const createCalls = (
  rules: BoundCalls,
  tokenBytes: (tokenId: number) => Uint8Array,
  endIds: readonly number[]
): Constraint => {
  let state: Matcher | null = beginning(rules)
  const after = (tokenId: number): Matcher | null => {
    if (endIds.includes(tokenId)) return state?.mayEnd ? END : null
    const bytes = tokenBytes(tokenId)
    // a text may have control tokens, a call has none
    if (bytes.length === 0) return state === ANY_TEXT ? ANY_TEXT : null
    let next = state
    for (const byte of bytes) next = next?.step(byte) ?? null
    return next
  }
  return {
    candidates: () => null,
    forced: () => [],
    allows: (tokenId) => after(tokenId) !== null,
    advance(tokenId) {
      state = after(tokenId)
      if (state === null) throw new Error(`token ${tokenId} is not allowed here`)
    },
    get finished() {
      return state === END
    },
  }
}
