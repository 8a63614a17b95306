/**
 * Feedback: a rating of the one answer that the client of a record got, by the application or by a person
 * at the admin API. It does not count as evidence, because users and persons choose the
 * answers that they rate (docs/feedback.md).
 */

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

/** Feedback as the store keeps it. */
export interface StoredFeedback extends Feedback {
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
