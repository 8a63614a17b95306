/**
 * Answers of the provider, checked: whatever has another form, or belongs to other tokens, is no answer.
 * And a choice among given answers, which the provider does not know. Pure, but for the scores it asks for.
 */
import { z } from 'zod'
import { AppError } from '../../../src/errors.ts'
import { seededRandom } from '../../../src/random.ts'
import type { Constraint } from '../../text/constraint/constraint.ts'
import type { GenerationRequest, SampledToken, TokenChoice } from '../../text/tokens.ts'

/** Above 0 by rounding. */
const MOST_LOGPROB = 1e-3
/** Answers that a choice may begin with; each of them is a call. */
const MAX_CANDIDATES = 256

const unexpected = (what: string, cause?: unknown): AppError =>
  new AppError('internal', `the provider answers in an unexpected form: ${what}`, { cause })

const logprob = z
  .number()
  .max(MOST_LOGPROB)
  .transform((value) => Math.min(0, value))

const sampled = z.object({
  tokens: z.array(z.int().nonnegative()),
  logprobs: z.array(logprob),
  top: z.array(z.array(z.tuple([z.int().nonnegative(), logprob]))).nullable(),
  reason: z.enum(['stop', 'length']),
  cached: z.number(),
})

export interface Sampled {
  tokens: SampledToken[]
  finishReason: 'stop' | 'length'
  cachedTokens: number
}

/** @throws AppError `internal` */
export const readSampled = (
  answer: unknown,
  { topLogprobs, maxTokens, endIds }: GenerationRequest,
  vocabSize: number
): Sampled => {
  const read = sampled.safeParse(answer)
  if (!read.success) throw unexpected('a sample', read.error)
  const { tokens, logprobs, top, reason, cached } = read.data
  if (tokens.length !== logprobs.length || tokens.length > maxTokens)
    throw unexpected(`${logprobs.length} log-probabilities for ${tokens.length} tokens`)
  if (tokens.some((id) => id >= vocabSize)) throw unexpected('a token that the model does not have')
  if (tokens.slice(0, -1).some((id) => endIds.includes(id)))
    throw unexpected('tokens after the end')
  if (topLogprobs > 0 && top?.length !== tokens.length)
    throw unexpected(`alternatives to ${top?.length ?? 0} of ${tokens.length} tokens`)
  return {
    tokens: tokens.map((tokenId, at) => ({
      tokenId,
      logprob: logprobs[at]!,
      top: (top?.[at] ?? [])
        .map(([id, value]): TokenChoice => ({ tokenId: id, logprob: value }))
        .sort((a, b) => b.logprob - a.logprob)
        .slice(0, topLogprobs),
    })),
    finishReason: reason,
    cachedTokens: cached,
  }
}

const scored = z.object({ logprobs: z.array(logprob.nullable()) })

/**
 * @param count of the last tokens that were asked for
 * @returns nats of these
 * @throws AppError `internal`
 */
export const readScores = (answer: unknown, ids: readonly number[], count: number): number[] => {
  const read = scored.safeParse(answer)
  if (!read.success) throw unexpected('log-probabilities', read.error)
  const { logprobs } = read.data
  if (logprobs.length !== ids.length)
    throw unexpected(`${logprobs.length} log-probabilities for ${ids.length} tokens`)
  return logprobs.slice(-count).map((value) => {
    if (value === null) throw unexpected('a token without a log-probability')
    return value
  })
}

/** Log-probabilities among the candidates alone. */
const amongThese = (values: readonly number[]): number[] => {
  const most = Math.max(...values)
  const all = most + Math.log(values.reduce((sum, value) => sum + Math.exp(value - most), 0))
  return values.map((value) => value - all)
}

/** Where a draw at the temperature falls; the best at 0. */
const drawn = (values: readonly number[], temperature: number, random: () => number): number => {
  if (temperature === 0) return values.indexOf(Math.max(...values))
  const shares = amongThese(values.map((value) => value / temperature)).map(Math.exp)
  let left = random()
  const found = shares.findIndex((share) => (left -= share) < 0)
  return found < 0 ? shares.length - 1 : found
}

/** Nats of each candidate behind the tokens. */
export type ScoreNext = (ids: readonly number[], candidates: readonly number[]) => Promise<number[]>

/**
 * One of the given answers, token by token: where several may follow, each is scored.
 * @throws AppError `invalid-request` for too many of them, and what scoring throws
 */
export async function* chooseAmong(
  constraint: Constraint,
  { promptIds, maxTokens, sampling, topLogprobs }: GenerationRequest,
  score: ScoreNext
): AsyncGenerator<SampledToken, void, undefined> {
  const random = seededRandom(sampling.seed)
  const ids = [...promptIds]
  while (!constraint.finished && ids.length - promptIds.length < maxTokens) {
    const candidates = constraint.candidates() ?? []
    if (candidates.length > MAX_CANDIDATES)
      throw new AppError(
        'invalid-request',
        `${candidates.length} choices begin differently; the provider is asked for each of at most ${MAX_CANDIDATES}`,
        { param: 'structured_outputs' }
      )
    const values = candidates.length === 1 ? [0] : amongThese(await score(ids, candidates))
    const at = drawn(values, sampling.temperature, random)
    const tokenId = candidates[at]!
    constraint.advance(tokenId)
    ids.push(tokenId)
    yield {
      tokenId,
      logprob: Math.min(0, values[at]!),
      top: candidates
        .map((id, place): TokenChoice => ({ tokenId: id, logprob: Math.min(0, values[place]!) }))
        .sort((a, b) => b.logprob - a.logprob)
        .slice(0, topLogprobs),
    }
  }
}
