/** Which conversations differ between two runs of a client. Pure. */
import type { Outcome } from './conversations.ts'

const keyOf = ({ scenario, number }: Outcome): string => `${scenario} ${number}`

/** Messages of errors have ids of requests, so their class and status are compared. */
const saidBy = ({ said, error }: Outcome): string =>
  error === null ? JSON.stringify(said) : `${error.name} ${error.status ?? ''}`

/** @returns one line for each conversation that differs or is missing */
export const differencesOf = (direct: readonly Outcome[], other: readonly Outcome[]): string[] => {
  const found = new Map(other.map((outcome) => [keyOf(outcome), outcome]))
  return direct.flatMap((outcome) => {
    const key = keyOf(outcome)
    const again = found.get(key)
    if (again === undefined) return [`${key}: no outcome`]
    if (saidBy(again) === saidBy(outcome)) return []
    const message = again.error === null ? '' : `: ${again.error.message}`
    return [`${key}: ${saidBy(outcome)} became ${saidBy(again)}${message}`]
  })
}

/** Differences of a direct run from what was to be said. @param expected of each conversation, by its key */
export const unexpectedOf = (
  direct: readonly Outcome[],
  expected: (outcome: Outcome) => readonly string[]
): string[] =>
  direct.flatMap((outcome) => {
    const text = JSON.stringify(expected(outcome))
    const message = outcome.error === null ? '' : `: ${outcome.error.message}`
    return saidBy(outcome) === text
      ? []
      : [`${keyOf(outcome)}: ${saidBy(outcome)}, not ${text}${message}`]
  })
