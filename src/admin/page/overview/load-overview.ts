/** Reads what waits for a decision, what is wrong, and the figures of a period. */
import { templateNames } from '../../../lifecycle/find.ts'
import {
  rolloutStageOf,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import { HOUR_MS, mergeHours, type TrafficHour } from '../../../core/log/traffic-hours.ts'
import type { RolloutStage } from '../../../core/rollout/stages.ts'
import { forgetTasks } from '../../../lifecycle/forget-task.ts'
import {
  rolloutProgress,
  rolloutReports,
  type RolloutReport,
} from '../../../lifecycle/rollout-report.ts'
import { PERIODS, periodStart, type PeriodName } from '../../../core/cost/periods.ts'
import type { SavingsReport } from '../../../savings/savings.ts'
import type { AdminDeps, ProcessStatus } from '../../deps.ts'
import type { Names } from '../parts/links.tsx'

const WEEK_MS = 7 * 24 * HOUR_MS

/** A live route whose report says something that a person should know. */
export interface WatchedRoute {
  row: Internalization
  report: RolloutReport
  /** the stage that the evidence allows; null: none, or not yet */
  next: Pick<RolloutStage, 'share'> | null
}

export interface LoadedOverview {
  /** wait for approval, oldest first */
  waiting: Internalization[]
  /** live routes that a person has paused */
  paused: Internalization[]
  routes: WatchedRoute[]
  /** in the last seven days, newest first */
  failed: Internalization[]
  /** forgettings that are not finished */
  forgetting: number
  /** of the whole period, oldest first; times without a request are missing */
  traffic: TrafficHour[]
  /** start of the period, milliseconds since the epoch */
  from: number
  /** null: not worked out yet */
  savings: SavingsReport | null
  names: Names
  status: ProcessStatus
}

const watched = (
  rows: Internalization[],
  reports: ReadonlyMap<string, RolloutReport>,
  settings: AdminDeps['rollout']
): WatchedRoute[] =>
  rows.flatMap((row) => {
    const report = reports.get(row.id)
    if (report === undefined || row.state.name !== 'live') return []
    const progress = rolloutProgress(row, report, settings)
    return [{ row, report, next: progress?.mayStep === true ? progress.next : null }]
  })

/** @param isWorkedOut also reads from the log what is saved, which takes seconds */
export const loadOverview = async (
  { store, economics, rollout, now, status }: AdminDeps,
  period: PeriodName,
  isWorkedOut: boolean
): Promise<LoadedOverview> => {
  const rows = await store.internalizations.list({ recordIds: false })
  const reports = new Map(await rolloutReports(store))
  const from = periodStart(period, now())
  const hours = await store.records.traffic(from, now() + 1)
  const isRecent = ({ updatedAt }: Internalization): boolean => now() - updatedAt < WEEK_MS
  return {
    waiting: rows.filter(({ state }) => state.name === 'approval'),
    paused: rows.filter(({ state }) => rolloutStageOf(state)?.isPaused === true),
    routes: watched(rows, reports, rollout),
    failed: rows
      .filter((row) => row.state.name === 'failed' && isRecent(row))
      .sort((a, b) => b.updatedAt - a.updatedAt),
    forgetting: (await forgetTasks(store)).length,
    traffic: mergeHours(hours, PERIODS[period].bucketMs),
    from,
    savings: await (isWorkedOut ? economics.savings() : economics.knownSavings()),
    names: await templateNames(store),
    status: status(),
  }
}
