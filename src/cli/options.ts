/** Parsers of option values. */
import { InvalidArgumentError } from 'commander'

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

export const positiveAmount = number(
  (value) => Number.isFinite(value) && value > 0,
  'an amount over 0'
)
