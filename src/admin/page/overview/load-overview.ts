/** Reads what waits for a decision, what is wrong, the live routes, and the figures of a period. */
import {
  rolloutStageOf,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import type { StoredRecord } from '../../../core/log/record.ts'
import {
  addHours,
  failuresIn,
  HOUR_MS,
  mergeHours,
  type TrafficHour,
} from '../../../core/log/traffic-hours.ts'
import type { RolloutStage } from '../../../core/rollout/stages.ts'
import { namesOf } from '../../../core/template/name.ts'
import type { Template } from '../../../core/template/template.ts'
import { forgetTasks } from '../../../lifecycle/forget-task.ts'
import {
  readyFor,
  rolloutProgress,
  rolloutReports,
  type RolloutReport,
} from '../../../lifecycle/rollout-report.ts'
import {
  retirementsOfTemplates,
  retiresByPrice,
  type Retirements,
} from '../../../core/cost/retirements.ts'
import { PERIODS, periodStart, type PeriodName } from '../../../core/cost/periods.ts'
import { waitsForEngine } from '../../../lifecycle/transitions.ts'
import type { KnownCaches } from '../../../savings/caches.ts'
import type { SavingsReport } from '../../../savings/savings.ts'
import type { Store } from '../../../store/store.ts'
import type { AdminDeps, ProcessStatus } from '../../deps.ts'
import type { Names } from '../links.tsx'
import { itemAt } from '../../../core/lists.ts'

const WEEK_MS = 7 * 24 * HOUR_MS

/** A live route with what its newest report says. */
export interface WatchedRoute {
  row: Internalization
  /** null before the worker has made one */
  report: RolloutReport | null
  /** the stage that the evidence allows; null: none, or not yet */
  next: Pick<RolloutStage, 'share'> | null
}

/** What an engine would do, where there is none. */
export interface WithoutEngine {
  /** internalizations that wait for it */
  waiting: number
  /** templates that are known to pay, and that nothing is trained for */
  paying: number
  /** templates of which it is not known whether they pay */
  unknown: number
  /** live routes, which answer nothing */
  routes: number
  /** folder of the server's data */
  dataDir: string
}

/** Requests of this hour and the one before that ended with an error of a server. */
export interface Failures {
  failed: number
  requests: number
  /** begin of the first of these hours that has requests, milliseconds since the epoch */
  since: number
  /** null where it was forgotten */
  newest: StoredRecord | null
  /** from the newest one on, milliseconds */
  ageMs: number
}

export interface LoadedOverview {
  /** all internalizations */
  rows: Internalization[]
  /** wait for approval, oldest first */
  waiting: Internalization[]
  /** all live routes, also those that a person has paused */
  routes: WatchedRoute[]
  /** in the last seven days, newest first */
  failed: Internalization[]
  /** the newest of the last seven days, of templates without a newer try */
  rejected: Internalization[]
  /** of these, those that are not in the list */
  moreRejected: number
  /** requests that failed lately; null: none did */
  failures: Failures | null
  /** null: there is an engine */
  withoutEngine: WithoutEngine | null
  /** models of templates that are retired soon, or were lately */
  retirements: Retirements
  /** why the provider's cache is not read */
  caches: KnownCaches
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
    const report = reports.get(row.id) ?? null
    const progress = rolloutProgress(row, report, settings)
    if (progress === null) return []
    return [{ row, report, next: readyFor(progress) }]
  })

const loadWithoutEngine = async (
  { economics, settings, status }: AdminDeps,
  rows: Internalization[],
  templates: Template[]
): Promise<WithoutEngine | null> => {
  if (status().engine !== 'none') return null
  const tried = new Set(rows.map(({ templateVersion }) => templateVersion))
  const untried = templates.filter(({ version }) => !tried.has(version))
  const known = await economics.known(untried)
  const verdicts = untried.map(({ version }) => known.get(version)?.verdict ?? 'unknown')
  return {
    waiting: rows.filter(({ state }) => waitsForEngine(state)).length,
    paying: verdicts.filter((verdict) => verdict === 'pays').length,
    unknown: verdicts.filter((verdict) => verdict === 'unknown').length,
    routes: rows.filter(({ state }) => rolloutStageOf(state) !== null).length,
    dataDir: settings().find(({ name }) => name === 'DATA_DIR')?.value ?? 'data',
  }
}

/** @param traffic of the period, of which the last hours count */
const loadFailures = async (
  store: Store,
  traffic: readonly TrafficHour[],
  now: number
): Promise<Failures | null> => {
  const hours = traffic.filter(({ hour }) => hour > now - 2 * HOUR_MS)
  const failed = failuresIn(hours)
  if (failed === 0) return null
  const { data } = await store.records.search({ status: '5xx', limit: 1 })
  const newest = data[0] ?? null
  return {
    failed,
    requests: hours.reduce((sum, { requests }) => sum + requests, 0),
    since: itemAt(hours, 0).hour,
    newest,
    ageMs: newest === null ? Infinity : now - newest.at,
  }
}

const MAX_REJECTED = 3

/** All of the period together; null without a request. */
export const sumOf = ({ traffic }: Pick<LoadedOverview, 'traffic'>): TrafficHour | null =>
  traffic.length === 0 ? null : traffic.reduce(addHours)

/** @param isWorkedOut also reads from the log what is saved, which takes seconds */
export const loadOverview = async (
  deps: AdminDeps,
  period: PeriodName,
  isWorkedOut: boolean
): Promise<LoadedOverview> => {
  const { store, economics, rollout, prices, now, status } = deps
  const rows = await store.internalizations.list({ recordIds: false })
  const templates = await store.templates.list()
  const labels = await store.templates.labels()
  const reports = new Map(await rolloutReports(store))
  const from = periodStart(period, now())
  const hours = await store.records.traffic(from, now() + 1)
  const recent = rows
    .filter(({ updatedAt }) => now() - updatedAt < WEEK_MS)
    .sort((a, b) => b.updatedAt - a.updatedAt)
  const newest = new Map(rows.map((row) => [row.templateVersion, row.id]))
  const rejected = recent.filter(
    ({ id, state, templateVersion }) =>
      state.name === 'rejected' && newest.get(templateVersion) === id
  )
  return {
    rows,
    waiting: rows.filter(({ state }) => state.name === 'approval'),
    routes: watched(rows, reports, rollout),
    failed: recent.filter(({ state }) => state.name === 'failed'),
    rejected: rejected.slice(0, MAX_REJECTED),
    moreRejected: Math.max(0, rejected.length - MAX_REJECTED),
    failures: await loadFailures(store, hours, now()),
    withoutEngine: await loadWithoutEngine(deps, rows, templates),
    retirements: retirementsOfTemplates(templates, rows, retiresByPrice(prices), now()),
    caches: await economics.caches(),
    forgetting: (await forgetTasks(store)).length,
    traffic: mergeHours(hours, PERIODS[period].bucketMs),
    from,
    savings: await (isWorkedOut
      ? economics.savings()
      : economics.knownSavings({ internalizations: rows, templates })),
    names: namesOf(templates, labels),
    status: status(),
  }
}
