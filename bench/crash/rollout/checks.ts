/** Conditions that must hold for a rollout after any number of kills. Pure. */
import { isDeepStrictEqual } from 'node:util'
import {
  borderOf,
  movedBorder,
  rolloutStageOf,
} from '../../../src/core/internalization/internalization.ts'
import type { Border } from '../../../src/core/rollout/border.ts'
import type { LossCounts } from '../../../src/core/rollout/evidence.ts'
import type { EvidenceFigures } from '../../../src/core/rollout/stages.ts'
import type { RolloutReport } from '../../../src/lifecycle/rollout-report.ts'
import type { LoggedRecord } from '../checks.ts'
import type { HistoryRow, PairRow } from './store-view.ts'
import type { Answer } from './traffic.ts'

/** A proxy may answer by a route for so long after its rollback. */
const ROLLBACK_MS = 2_000

const countOf = <T>(items: readonly T[], isCounted: (item: T) => boolean): number =>
  items.filter(isCounted).length

/** Audited records of the log, in any order, against the rows of the pairs. */
export const pairFaults = (records: LoggedRecord[], rows: PairRow[], dropped: number) => {
  const audited = new Set(
    records.filter(({ route }) => route?.reason === 'audit').map(({ id }) => id)
  )
  const known = new Set(rows.map(({ recordId }) => recordId))
  return {
    audited: audited.size,
    lost: Math.max(0, countOf([...audited], (id) => !known.has(id)) - dropped),
    twice: rows.length - known.size,
    /** without a record in the log: the record was lost */
    withoutRecord: countOf([...known], (id) => id === null || !audited.has(id)),
  }
}

const ANSWERED = ['agreed', 'disagreed', 'upstream-differs', 'second-agrees']
const DRAFTS = ['draft-agreed', 'draft-disagreed']

const isOf = (outcomes: readonly string[], { outcome }: PairRow): boolean =>
  outcomes.includes(outcome ?? '')

/** Pairs, losses and credits of the first answered ones, counted one by one. */
const recount = (rows: PairRow[], pairs: number): LossCounts => {
  const first = rows.filter((row) => isOf(ANSWERED, row)).slice(0, pairs)
  return {
    pairs: first.length,
    losses: countOf(first, ({ outcome }) => outcome === 'disagreed'),
    credits: countOf(first, ({ outcome }) => outcome === 'second-agrees'),
  }
}

const isRecounted = ({ pairs, losses, credits }: EvidenceFigures, rows: PairRow[]): boolean =>
  isDeepStrictEqual(recount(rows, pairs), { pairs, losses, credits })

const isOutcomesRecounted = ({ outcomes }: RolloutReport, rows: PairRow[]): boolean => {
  const total = Object.values(outcomes).reduce((sum, count) => sum + count, 0)
  const judged = rows.filter(({ outcome }) => outcome !== null).slice(0, total)
  return Object.entries(outcomes).every(
    ([name, count]) => countOf(judged, ({ outcome }) => outcome === name) === count
  )
}

/** @param rows read after the report, so that they have all of its pairs */
export const reportFaults = (report: RolloutReport, rows: PairRow[]): string[] => [
  ...(isRecounted(report.evidence, rows) ? [] : ['the report has other sums than the rows']),
  ...(isOutcomesRecounted(report, rows) ? [] : ['the report has other outcomes than the rows']),
]

export interface Capitals {
  step: number
  rollback: number
}

/** Whether the rows that were read for a border prove it as it says. */
const isBorderRecounted = ({ threshold, evidence }: Border, rows: PairRow[]): boolean => {
  const read = [
    ...rows.filter((row) => isOf(ANSWERED, row)).slice(0, evidence.answered),
    ...rows.filter((row) => isOf(DRAFTS, row)).slice(0, evidence.drafts),
  ]
  const own = read.filter(({ confidence }) => confidence !== null && confidence >= threshold)
  const { answered, drafts, pairs, losses } = evidence
  return (
    read.length === answered + drafts &&
    own.length === pairs &&
    countOf(own, (row) => isOf(['disagreed', 'draft-disagreed'], row)) === losses
  )
}

/** The confidence from which on the route answered at a time. @param proved by the verdict */
const thresholdAt = (history: readonly HistoryRow[], proved: number, time: number): number => {
  const entry = history.findLast(({ at, to }) => at <= time && to.name === 'live')
  return (entry && borderOf(entry.to)?.threshold) ?? proved
}

/** Answers of the lora that were given with less confidence than the border in force asked for. */
export const answersBeyondBorder = (
  records: readonly LoggedRecord[],
  history: readonly HistoryRow[],
  proved: number
): number =>
  countOf(
    records,
    ({ at, durationMs, route }) =>
      route?.outcome === 'answered' &&
      (route.confidence ?? -Infinity) < thresholdAt(history, proved, at + durationMs)
  )

const stepFaults = ({ from, to }: HistoryRow, rows: PairRow[], capitals: Capitals): string[] => {
  const [before, after] = [from && rolloutStageOf(from), rolloutStageOf(to)]
  if (from?.name === 'retired') return ['it left the end']
  const evidence = 'evidence' in to ? to.evidence : undefined
  if (evidence && !isRecounted(evidence, rows)) return ['a step has other sums than the rows']
  if (to.name === 'retired')
    return evidence && evidence.rollback >= Math.log(capitals.rollback)
      ? []
      : ['it was rolled back without the evidence']
  if (before === null || after === null) return []
  const border = movedBorder({ from, to })
  if (border !== null)
    return isBorderRecounted(border, rows) && border.evidence.capital >= Math.log(capitals.step)
      ? []
      : ['a border moved without the evidence']
  if (after.share <= before.share) return ['a stage went back']
  return evidence && evidence.step >= Math.log(capitals.step)
    ? []
    : ['a stage began without the evidence']
}

export const historyFaults = (
  history: HistoryRow[],
  rows: PairRow[],
  capitals: Capitals
): string[] =>
  history.flatMap((entry, index) => {
    const before = index === 0 ? null : history[index - 1]!.to
    const gap = isDeepStrictEqual(entry.from, before) ? [] : ['the history has a gap']
    return [...gap, ...stepFaults(entry, rows, capitals)]
  })

/** Answers of the lora to requests that were sent after its rollback. @param retiredAt ms, or null */
export const answersAfterRollback = (answers: Answer[], lora: string, retiredAt: number | null) => {
  const late = answers.filter(
    (answer) =>
      retiredAt !== null &&
      answer.route === 'answered' &&
      answer.lora === lora &&
      answer.sentAt > retiredAt
  )
  return {
    /** later than a proxy may, or by a proxy that started after the rollback */
    forbidden: countOf(
      late,
      ({ sentAt, life }) => sentAt > retiredAt! + ROLLBACK_MS || life.startedAt > retiredAt!
    ),
    latestMs: Math.max(0, ...late.map(({ sentAt }) => sentAt - retiredAt!)),
  }
}
