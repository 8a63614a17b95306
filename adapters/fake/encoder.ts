/** The fake engine's sentence encoder: each word adds a vector that its hash gives. */
import { createHash } from 'node:crypto'
import type { SentenceEncoder } from '../host/label-head/sentence-encoder.ts'
import { tokensOf } from './generate.ts'

const DIMS = 64
const MAX_TOKENS = 256
/** the tokens that mark beginning and end */
const MARKERS = 2

/** Numbers from −1 to 1, the same for the same word. */
const wordVector = (word: string): number[] =>
  [...createHash('sha512').update(word).digest()].map((byte) => byte / 127.5 - 1)

const wordsOf = (text: string): string[] =>
  tokensOf(text)
    .slice(0, MAX_TOKENS - MARKERS)
    .map((token) => token.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, ''))

/** Length 1. */
const vectorOf = (text: string): Float32Array => {
  const sum = new Float32Array(DIMS)
  for (const word of ['', ...wordsOf(text)])
    for (const [k, value] of wordVector(word).entries()) sum[k]! += value
  const length = Math.hypot(...sum)
  return sum.map((value) => value / length)
}

const countTokens = (text: string): number => tokensOf(text).length + MARKERS

export const createFakeEncoder = (id: string): SentenceEncoder => ({
  id,
  parameters: 10_000,
  fingerprint: 'fp_fake_encoder',
  dims: DIMS,
  maxTokens: MAX_TOKENS,
  encode: async (texts) => {
    const tokens = texts.map(countTokens)
    return {
      vectors: Float32Array.from(texts.flatMap((text) => [...vectorOf(text)])),
      tokens: tokens.map((count) => Math.min(MAX_TOKENS, count)),
      cut: tokens.filter((count) => count > MAX_TOKENS).length,
    }
  },
  countTokens,
  close: async () => {},
})
