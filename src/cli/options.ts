/** Parsers of option values. */
import { InvalidArgumentError } from 'commander'
import { MAX_NOTE_CHARS } from '../core/internalization/internalization.ts'
import { timeSpanOf, type TimeSpan } from '../core/days.ts'

const number =
  (accepts: (value: number) => boolean, wanted: string) =>
  (text: string): number => {
    const value = Number(text)
    if (text.trim() === '' || !accepts(value))
      throw new InvalidArgumentError(`It must be ${wanted}.`)
    return value
  }

/** @param least the smallest value that is accepted */
export const wholeNumber = (least: number): ((text: string) => number) =>
  number(
    (value) => Number.isSafeInteger(value) && value >= least,
    `a whole number of at least ${least}`
  )

/** Of a decision, for the history. */
export const noteText = (text: string): string => {
  if (text === '' || text.length > MAX_NOTE_CHARS)
    throw new InvalidArgumentError(`It must have 1 to ${MAX_NOTE_CHARS} characters.`)
  return text
}

/** Of the traffic. */
export const trafficShare = number(
  (value) => value >= 0 && value <= 1,
  'a share from 0 to 1, such as 0.05'
)

export const duration = number(
  (value) => Number.isFinite(value) && value >= 0,
  'a duration of at least 0'
)

export const positiveAmount = number(
  (value) => Number.isFinite(value) && value > 0,
  'an amount over 0'
)

/** A day, a minute or a second in UTC, as all the time that it lasts. */
export const timeSpan = (text: string): TimeSpan => {
  const span = timeSpanOf(text)
  if (span === null)
    throw new InvalidArgumentError(
      'It must be a time in UTC, such as 2026-11-29 or 2026-11-29T10:00.'
    )
  return span
}
