/**
 * Pairs for a person who rates them, and the ratings. Until the person asks, an answer is `a` or `b`: the
 * order is drawn by a keyed hash of the record, so that it stays and cannot be guessed.
 */
import { createHmac } from 'node:crypto'
import { textOf, type Outcome } from '../../core/answer/outcome.ts'
import { winningLora, type Internalization } from '../../core/internalization/internalization.ts'
import {
  RATEABLE,
  type PairOutcome,
  type Rating,
  type StoredPair,
} from '../../core/rollout/pair.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { placesToRate } from './people.ts'
import { NO_LOGGED_TEXT, readLoggedTexts, type LoggedText } from '../logged-texts.ts'
import { itemAt } from '../../core/lists.ts'

type Place = 'a' | 'b'

/** A rating, also by the place of the answer. */
export type Right = Place | Rating

/** Hidden from a person who rates. */
interface RevealedPair {
  lora: Place
  outcome: PairOutcome
  reason: string | null
  confidence: number | null
  /** null when none was bought, or when it was deleted */
  secondUpstreamAnswer: string | null
  rating: Rating | null
}

export interface ShownPair {
  place: number
  /** null after the record was forgotten */
  recordId: string | null
  at: number
  query: string | null
  /** null after the answers were deleted */
  answers: Record<Place, string> | null
  isRated: boolean
  revealed: RevealedPair | null
}

/** The pairs of which a person is told whose answer is whose. */
export type Reveals = 'none' | 'rated' | 'all'

const loraPlace = (secret: string, recordId: string): Place => {
  const digest = createHmac('sha256', secret).update(`pair ${recordId}`).digest()
  return digest.readUInt8() % 2 === 0 ? 'a' : 'b'
}

/** An answer that is not plain text is named: `[tool-calls]`. */
const textIn = (outcome: Outcome): string => textOf(outcome) ?? `[${outcome.kind}]`

const shown = (
  pair: StoredPair,
  { query, outcome }: LoggedText,
  { secret, reveals }: { secret: string; reveals: Reveals }
): ShownPair => {
  const { place, recordId, at, rating, answer } = pair
  const lora = loraPlace(secret, recordId ?? '')
  const upstreamAnswer = outcome === null || outcome.kind === 'unreadable' ? null : textIn(outcome)
  const placed = (other: string): Record<Place, string> =>
    lora === 'a' ? { a: answer, b: other } : { a: other, b: answer }
  return {
    place,
    recordId,
    at,
    query,
    answers: upstreamAnswer === null || answer === '' ? null : placed(upstreamAnswer),
    isRated: rating !== null,
    revealed:
      reveals === 'all' || (reveals === 'rated' && rating !== null)
        ? {
            lora,
            outcome: pair.outcome,
            reason: pair.reason,
            confidence: pair.confidence,
            secondUpstreamAnswer: pair.upstreamAnswer === '' ? null : pair.upstreamAnswer,
            rating,
          }
        : null,
  }
}

export interface ShownPairsQuery {
  limit: number
  /** only pairs before this place */
  before?: number | undefined
  outcome?: PairOutcome | undefined
  reveals: Reveals
}

const withTexts = async (
  store: Store,
  { templateVersion }: Internalization,
  pairs: readonly StoredPair[],
  { secret, reveals }: { secret: string; reveals: Reveals }
): Promise<ShownPair[]> => {
  const ids = pairs.flatMap(({ recordId }) => recordId ?? [])
  const texts = await readLoggedTexts(store, templateVersion, ids)
  return pairs.map((pair) =>
    shown(pair, texts.get(pair.recordId ?? '') ?? NO_LOGGED_TEXT, { secret, reveals })
  )
}

/** Pairs of an internalization, newest first; unless all are revealed only those with two answers. */
export const shownPairs = async (
  store: Store,
  internalization: Internalization,
  { limit, before, outcome, reveals }: ShownPairsQuery,
  secret: string
): Promise<ShownPair[]> => {
  const lora = winningLora(internalization)
  if (lora === null) return []
  const outcomes = outcome === undefined ? (reveals === 'all' ? undefined : RATEABLE) : [outcome]
  const pairs = await store.pairs.list({
    lora,
    limit,
    ...(before === undefined ? {} : { before }),
    ...(outcomes === undefined ? {} : { outcomes }),
  })
  return withTexts(store, internalization, pairs, { secret, reveals })
}

/**
 * Pairs of the sample that people rate, without those that are rated: the answers that the judge rejects come first
 * (`core/judge/people.ts`).
 * @returns at most so many, and how many wait in all
 */
export const samplePairs = async (
  store: Store,
  internalization: Internalization,
  limit: number,
  secret: string
): Promise<{ pairs: ShownPair[]; waiting: number }> => {
  const lora = winningLora(internalization)
  const places = await placesToRate(store, internalization)
  if (lora === null || places.length === 0) return { pairs: [], waiting: 0 }
  const found = await Promise.all(
    places
      .slice(0, limit)
      .map((place) => store.pairs.list({ lora, limit: 1, before: place + 1, outcomes: RATEABLE }))
  )
  const options = { secret, reveals: 'none' } as const
  return {
    pairs: await withTexts(store, internalization, found.flat(), options),
    waiting: places.length,
  }
}

/** Pairs read at once, and for one page. */
const [READ_AT_ONCE, MAX_READ] = [50, 500]

const isEqual = ({ answers, isRated }: ShownPair): boolean =>
  !isRated && answers !== null && answers.a === answers.b

/**
 * Pairs for a person to rate, newest first, without those whose answers are equal letter by letter: they agree, and
 * neither answer can be right alone. All others come as they were drawn, so the ratings stay a sample.
 * @returns `next`: `before` of the next page; null where there is none
 */
export const pairsToRate = async (
  store: Store,
  internalization: Internalization,
  { limit, before }: Pick<ShownPairsQuery, 'limit' | 'before'>,
  secret: string
): Promise<{ pairs: ShownPair[]; next: number | null }> => {
  const pairs: ShownPair[] = []
  let place = before
  for (let left = MAX_READ; left > 0 && pairs.length <= limit; left -= READ_AT_ONCE) {
    const query = { limit: READ_AT_ONCE, before: place, reveals: 'rated' } as const
    const read = await shownPairs(store, internalization, query, secret)
    pairs.push(...read.filter((pair) => !isEqual(pair)))
    place = read[READ_AT_ONCE - 1]?.place
    if (place === undefined) break
  }
  const onPage = pairs.slice(0, limit)
  return {
    pairs: onPage,
    next: pairs.length > limit ? itemAt(pairs, limit - 1).place : (place ?? null),
  }
}

const ratingOf = (right: Right, recordId: string, secret: string): Rating => {
  if (right !== 'a' && right !== 'b') return right
  return right === loraPlace(secret, recordId) ? 'lora' : 'upstream'
}

const isInLog = async ({ records }: Store, id: string): Promise<boolean> =>
  (await records.knownIds([id])).length > 0

/**
 * Sets which answer of a pair is right. @param right null takes the rating back
 * @throws AppError `not-found` for a record that is not in the log and was not audited; `invalid-state`
 * for one without two answers
 */
export const ratePair = async (
  store: Store,
  recordId: string,
  right: Right | null,
  { secret, now }: { secret: string; now: number }
): Promise<void> => {
  try {
    await store.pairs.rate(recordId, right && ratingOf(right, recordId, secret), now)
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not-found') throw error
    if (!(await isInLog(store, recordId)))
      throw new AppError(
        'not-found',
        `there is no record ${recordId}: it never existed, has expired, or was forgotten`
      )
    throw new AppError(
      'invalid-state',
      `record ${recordId} has only one answer: it was not audited, or waits for the lora's answer; ` +
        'rate the answer that its client got by "rating": "good" or "bad"'
    )
  }
}
