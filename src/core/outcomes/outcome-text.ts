/** What the outcome test says, in words. Pure. */
import { percent } from '../figure-text.ts'
import type { OutcomeFigures } from './outcome-figures.ts'

/** `11.2`: of a share, in points */
export const points = (share: number): string => (100 * share).toFixed(1)

/** `+11.2`, `-11.2`: the same of a difference */
export const signed = (share: number): string => (share < 0 ? '' : '+') + points(share)

/** `+9.5 points (+7.0 to +12.1)`: how much more of the lora's side is bad */
export const differenceText = ({
  bad,
  interval: [lower, upper],
}: Pick<OutcomeFigures, 'bad' | 'interval'>): string =>
  `${bad === null ? '' : `${signed(bad.lora - bad.audit)} points `}(${signed(lower)} to ${signed(upper)})`

/** `19.6 % of 2,935 rated conversations of the lora's side are bad, 10.1 % of 57,065 audited ones` */
export const badText = ({
  bad,
  conversations: { lora, audit },
}: Pick<OutcomeFigures, 'bad' | 'conversations'>): string => {
  const [ours, theirs] = [lora, audit].map((count) => count.toLocaleString('en'))
  if (bad === null) return `${ours} rated conversations of the lora's side, ${theirs} audited ones`
  return (
    `${percent(bad.lora)} of ${ours} rated conversations of the lora's side are bad, ` +
    `${percent(bad.audit)} of ${theirs} audited ones`
  )
}

const MOST_MISSING = 1_000_000

/** How many further rated conversations tell a difference of one point; null: it is told, or not known. */
export const missingText = ({ missing }: Pick<OutcomeFigures, 'missing'>): string | null => {
  if (missing === null || missing === 0) return null
  const [least, most] = [Number(missing.toPrecision(2)), MOST_MISSING].map((count) =>
    count.toLocaleString('en')
  )
  const count = missing > MOST_MISSING ? `more than ${most}` : `about ${least}`
  return `${count} more rated conversations are needed to detect a difference of 1 point`
}

/** Why nothing, or little, is told yet; null where there is enough. */
export const unsureText = (figures: OutcomeFigures): string | null => {
  const { conversations, blocks, bad, missing } = figures
  if (blocks === 0) {
    const side = conversations.lora === 0 ? "the lora's side" : 'the audited side'
    return conversations.lora + conversations.audit === 0
      ? 'users have rated no conversation yet'
      : `not enough yet: no conversation of ${side} is rated`
  }
  if (bad !== null && bad.lora === bad.audit && (bad.lora === 0 || bad.lora === 1))
    return `no difference can be detected while all ratings are ${bad.lora === 1 ? 'bad' : 'good'}`
  return missing === null ? 'not enough yet: too few rated conversations' : missingText(figures)
}

/** All of it, for people: both shares with their difference, and what is missing. At least one line. */
export const outcomeLines = (figures: OutcomeFigures): string[] => [
  ...(figures.bad === null ? [] : [`${badText(figures)}: ${differenceText(figures)}`]),
  ...[unsureText(figures) ?? []].flat(),
]
