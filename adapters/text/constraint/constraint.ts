/**
 * Limits a generation to one of some given answers or to one JSON object. The sampler asks it which
 * tokens are allowed.
 */
import { JsonObjectValidator } from './json-validator.ts'

/** Follows one generation token by token. */
export interface Constraint {
  /** The only tokens allowed next; null where they are too many to list and `allows` must be asked. */
  candidates(): number[] | null
  allows(tokenId: number): boolean
  /** @param tokenId an allowed token, now chosen */
  advance(tokenId: number): void
  /** All remaining tokens when there is no choice left; else []. */
  forced(): number[]
  /** whether nothing can follow, so that the end token need not be generated */
  readonly finished: boolean
}

interface TrieNode {
  next: Map<number, TrieNode>
}

/**
 * Only the given answers, each followed by the end token.
 * @param encodings the answers' tokens as training encodes them, without the end token
 */
export const createChoices = (encodings: readonly number[][], endTokenId: number): Constraint => {
  const root: TrieNode = { next: new Map() }
  for (const encoding of encodings) {
    let node = root
    for (const id of [...encoding, endTokenId]) {
      let child = node.next.get(id)
      if (!child) {
        child = { next: new Map() }
        node.next.set(id, child)
      }
      node = child
    }
  }
  let node = root
  return {
    candidates: () => [...node.next.keys()],
    allows: (tokenId) => node.next.has(tokenId),
    advance(tokenId) {
      node = node.next.get(tokenId)!
    },
    forced() {
      const ids: number[] = []
      let last = node
      while (last.next.size === 1) {
        const [id, next] = [...last.next][0]!
        ids.push(id)
        last = next
      }
      return last.next.size === 0 ? ids : []
    },
    get finished() {
      return node.next.size === 0
    },
  }
}

/**
 * One JSON object, in valid UTF-8, closed before the tokens run out: a token is allowed only if the
 * remaining tokens suffice to close the object, at one byte each.
 * @param tokenBytes a token's bytes, empty for control tokens; every single byte is some token
 */
export const createJsonObject = (
  tokenBytes: (tokenId: number) => Uint8Array,
  maxTokens: number
): Constraint => {
  let state = JsonObjectValidator.start()
  let left = maxTokens
  const after = (tokenId: number): JsonObjectValidator | null => {
    const bytes = tokenBytes(tokenId)
    return bytes.length === 0 ? null : state.feed(bytes)
  }
  return {
    candidates: () => null,
    forced: () => [],
    allows(tokenId) {
      const next = after(tokenId)
      return next !== null && (next.bytesToEnd <= left - 1 || next.bytesToEnd < state.bytesToEnd)
    },
    advance(tokenId) {
      const next = after(tokenId)
      if (!next) throw new Error(`token ${tokenId} is not allowed here`)
      state = next
      left--
    },
    get finished() {
      return state.complete
    },
  }
}
