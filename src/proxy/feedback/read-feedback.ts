/** The body of a feedback: JSON text → checked values. Pure. */
import { MAX_COMMENT_CHARS, THUMBS, type Thumb } from '../../core/log/feedback.ts'
import { AppError } from '../../errors.ts'

export interface GivenFeedback {
  record: string
  /** null takes an earlier one back */
  rating: Thumb | null
  comment: string | null
}

/** The proxy's ids have 36 characters. */
const MAX_ID_CHARS = 100

const invalid = (param: string, message: string): AppError =>
  new AppError('invalid-request', `${param}: ${message}`, { param })

/** @throws AppError `invalid-request` */
const objectIn = (text: string): Record<string, unknown> => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid-request', 'the body is not JSON', { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>
  throw new AppError('invalid-request', 'the body is not a JSON object')
}

const isThumb = (value: unknown): value is Thumb => THUMBS.some((thumb) => thumb === value)

/** @throws AppError `invalid-request` that names the wrong member */
export const readFeedback = (text: string): GivenFeedback => {
  const { record, rating, comment = null } = objectIn(text)
  if (typeof record !== 'string' || record === '' || record.length > MAX_ID_CHARS)
    throw invalid(
      'record',
      'must be the id that the answer has in the header x-promptintern-record'
    )
  if (rating !== null && !isThumb(rating))
    throw invalid('rating', `must be ${THUMBS.map((thumb) => `"${thumb}"`).join(' or ')}, or null`)
  if (comment !== null && (typeof comment !== 'string' || comment.length > MAX_COMMENT_CHARS))
    throw invalid('comment', `must be a text of at most ${MAX_COMMENT_CHARS} characters`)
  return { record, rating, comment }
}
