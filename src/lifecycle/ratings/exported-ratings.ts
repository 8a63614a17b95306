/** All ratings of pairs and all feedback, page by page. */
import type { DrawnSide, FeedbackSource, Thumb } from '../../core/log/feedback.ts'
import { winningLora } from '../../core/internalization/internalization.ts'
import { isAnswered, type Rating } from '../../core/rollout/pair.ts'
import { AppError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'

interface ExportedRating {
  kind: 'pair' | 'feedback'
  /** null after the record was forgotten */
  recordId: string | null
  /** null after the record was deleted, and while its template is not known */
  templateVersion: string | null
  /** of the live route that the request matched; null without one */
  lora: string | null
  /** who answered the client */
  answeredBy: 'lora' | 'upstream'
  /** that the record was drawn for; null: for none */
  side: DrawnSide | null
  /** the same for all turns of a conversation; keys of pairs are others than those of feedback */
  conversation: string | null
  rating: Rating | Thumb
  /** whether it is evidence: a rating of a pair, or feedback of an application on a drawn record */
  counts: boolean
  comment: string | null
  by: FeedbackSource
  /** when it was given, milliseconds since the epoch */
  at: number
}

/** Their routes' evidence is what a judge says (`asEvidence`). */
const judgedLoras = async ({ internalizations }: Store): Promise<Set<string | null>> => {
  const rows = await internalizations.list({ recordIds: false })
  return new Set(rows.filter(({ plan }) => plan?.judge !== undefined).map(winningLora))
}

const pairRatings = async (store: Store, after: number, limit: number) => {
  const judged = await judgedLoras(store)
  return (await store.pairs.rated(after, limit)).map((pair) => ({
    place: pair.place,
    row: {
      kind: 'pair',
      recordId: pair.recordId,
      templateVersion: pair.templateVersion,
      lora: pair.lora,
      answeredBy: 'upstream',
      side: 'audit',
      conversation: pair.conversation,
      rating: pair.rating,
      counts: isAnswered(pair) && !judged.has(pair.lora),
      comment: null,
      by: 'admin',
      at: pair.ratedAt,
    } satisfies ExportedRating,
  }))
}

const feedbackRatings = async (store: Store, after: number, limit: number) =>
  (await store.feedback.list(after, limit)).map(({ place, ...feedback }) => ({
    place,
    row: {
      kind: 'feedback',
      counts: feedback.by === 'application' && feedback.side !== null,
      ...feedback,
    } satisfies ExportedRating,
  }))

/** A cursor: the kind, and the place behind which the page begins. */
const CURSOR = /^(pair|feedback)-(\d{1,15})$/

/**
 * A page of all ratings: those of pairs, then feedback, each in the order in which they were first given.
 * @param after `next` of the page before; '' for the first one
 * @throws AppError `invalid-request` for another cursor
 */
export const exportedRatings = async (
  store: Store,
  after: string,
  limit: number
): Promise<{ data: ExportedRating[]; next: string | null }> => {
  const [, kind, place] = CURSOR.exec(after === '' ? 'pair-0' : after) ?? []
  if (kind === undefined)
    throw new AppError('invalid-request', 'after: must be the `next` of a page', { param: 'after' })
  const isPairs = kind === 'pair'
  const page = await (isPairs ? pairRatings : feedbackRatings)(store, Number(place), limit)
  const last = page.at(-1)
  const isFull = page.length === limit && last !== undefined
  const next = isFull ? `${kind}-${last.place}` : isPairs ? 'feedback-0' : null
  return { data: page.map(({ row }) => row), next }
}
