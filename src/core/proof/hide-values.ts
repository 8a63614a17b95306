/**
 * Replaces the values in the names of slices by numbers: `plan=pro` becomes `plan=#2`. A value may be a word of
 * a request. A hash of a short word can be guessed, a number cannot. Knows nothing of stores or files.
 */
import type { ArmFigures } from '../gate/figures.ts'
import type { Verdict } from '../gate/gate.ts'
import type { HeldOutRecord } from './decision-facts.ts'
import { withQuotes, type Reason } from '../reason.ts'

export interface HiddenValues {
  records(records: readonly HeldOutRecord[]): HeldOutRecord[]
  verdict(verdict: Verdict): Verdict
  /** of a verdict, which may name slices */
  reason(reason: Reason): Reason
}

type Sliced = Pick<HeldOutRecord, 'slices'>

/** Of each value: its name in the file. Numbers are in the order of the rows. */
const namesOf = (records: readonly Sliced[]): Map<string, string> => {
  const names = new Map<string, string>()
  const counts = new Map<string, number>()
  for (const slice of new Set(records.flatMap(({ slices }) => slices))) {
    const end = slice.indexOf('=')
    if (end < 0) continue
    const name = slice.slice(0, end)
    const number = (counts.get(name) ?? 0) + 1
    counts.set(name, number)
    names.set(slice, `${name}=#${number}`)
  }
  return names
}

/** @param known the held-out rows, which have all slices */
export const hideValues = (known: readonly Sliced[]): HiddenValues => {
  const names = namesOf(known)
  const hide = (slice: string): string => names.get(slice) ?? slice
  const hideIn = (reason: Reason): Reason =>
    withQuotes(reason, (member, quoted) => (member === 'slice' ? hide(quoted) : quoted))
  const figures = ({ slices, ...rest }: ArmFigures): ArmFigures => ({
    ...rest,
    slices: slices.map((one) => ({ ...one, slice: hide(one.slice) })),
  })
  return {
    records: (records) =>
      records.map(({ slices, ...rest }) => ({ ...rest, slices: slices.map(hide) })),
    verdict: ({ reason, arms, ...rest }) => ({
      ...rest,
      reason: hideIn(reason),
      arms: arms.map(figures),
    }),
    reason: hideIn,
  }
}
