/**
 * Feedback: a rating of the one answer that the client of a record got, by the application or by a person
 * at the admin API. That of applications compares the two sides of a live route (`core/outcomes`).
 */
import type { RouteOutcome } from './record.ts'

export const THUMBS = ['good', 'bad'] as const

export type Thumb = (typeof THUMBS)[number]

/** Longest comment, UTF-16 units. */
export const MAX_COMMENT_CHARS = 1000

/** Who rated. A record has at most one feedback of each. */
export type FeedbackSource = 'application' | 'admin'

export interface Feedback {
  recordId: string
  by: FeedbackSource
  rating: Thumb
  /** null: none, or deleted with the record's bodies */
  comment: string | null
  /** milliseconds since the epoch */
  at: number
}

/** The sides that conversations of a live route are drawn for. */
export const DRAWN_SIDES = ['lora', 'audit'] as const

export type DrawnSide = (typeof DRAWN_SIDES)[number]

/** Reasons for which the upstream answers on the lora's side without the lora having been asked. */
const LORA_SIDE_REASONS = new Set<string | null>(['engine-missing', 'engine-paused'])

/**
 * The side that the record was drawn for, whoever answered; null where nothing was drawn, and for the
 * traffic of neither side. Without the answers of an outage the lora's side would be rated at other times.
 */
export const drawnSideOf = (
  route: Pick<RouteOutcome, 'outcome' | 'reason'> | null
): DrawnSide | null => {
  if (route === null) return null
  if (route.outcome !== 'skipped' || LORA_SIDE_REASONS.has(route.reason)) return 'lora'
  return route.reason === 'audit' ? 'audit' : null
}

/** The same key for all turns of a conversation: turns with one position were drawn together. */
export const drawnTogether = (
  recordId: string,
  { position }: Pick<RouteOutcome, 'position'>
): string => (position === undefined ? recordId : String(position))

/** Where a record with feedback belongs. All are null where it was drawn for no side. */
interface Drawn {
  side: DrawnSide | null
  /** the same for all turns of a conversation */
  conversation: string | null
}

/** @returns the columns of a feedback that follow from its record */
export const feedbackOrigin = (
  recordId: string,
  route: RouteOutcome | null
): Drawn & Pick<StoredFeedback, 'lora' | 'answeredBy'> => {
  if (route === null) return { lora: null, answeredBy: 'upstream', side: null, conversation: null }
  const side = drawnSideOf(route)
  return {
    lora: route.lora ?? null,
    answeredBy: route.outcome === 'answered' ? 'lora' : 'upstream',
    side,
    conversation: side === null ? null : drawnTogether(recordId, route),
  }
}

/** An application's feedback on a record that was drawn for a side. */
export interface DrawnFeedback {
  /** strictly increasing, in the order in which records were first rated */
  place: number
  /** when the record was first rated, milliseconds since the epoch */
  firstAt: number
  side: DrawnSide
  conversation: string
  rating: Thumb
}

/** Feedback as the store keeps it. */
export interface StoredFeedback extends Feedback, Drawn {
  /** strictly increasing; a cursor into the feedback */
  place: number
  /** null while the record's template is not known */
  templateVersion: string | null
  /** of the live route that the request matched; null without one */
  lora: string | null
  answeredBy: 'lora' | 'upstream'
}

interface ThumbCounts {
  good: number
  bad: number
}

/** Feedback of applications on the requests that matched one lora's route, by who answered. */
export interface FeedbackCounts {
  lora: ThumbCounts
  upstream: ThumbCounts
}
