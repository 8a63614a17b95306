/**
 * Which templates are internalized without an operator: those with enough traffic that have none yet, and
 * those whose route was rolled back, has drifted, or has seen as much new traffic as it was made from.
 */
import { randomUUID } from 'node:crypto'
import {
  newInternalization,
  rolloutStageOf,
  type Internalization,
  type Succession,
} from '../../core/lifecycle/internalization.ts'
import { isInWork } from '../../core/lifecycle/transitions.ts'
import type { Template } from '../../core/template/template.ts'
import { readRolloutReport, type RolloutReport } from '../../lifecycle/rollout-report.ts'
import type { WorkerDeps } from '../deps.ts'
import { hasEnoughRows } from './plan-rows.ts'
import type { MayStart } from './would-pay.ts'

/** Repeats leave fewer distinct exchanges than requests, so a start is retried after this growth. */
const RETRY_GROWTH = 0.1

/** Where the questions have changed and not the answers, all exchanges since the proof are as good. */
const beginOfDrift = (
  { evidence, rollbackCapital }: RolloutReport,
  { createdAt }: Internalization
): number =>
  evidence.drift >= Math.log(rollbackCapital) ? (evidence.roseAt ?? createdAt) : createdAt

/** When a successor for the same cause began last: the traffic that judged it judges no other. */
const newestJudge = (rows: Internalization[], why: Succession['why']): number =>
  Math.max(
    0,
    ...rows.filter(({ plan }) => plan?.successor?.why === why).map(({ createdAt }) => createdAt)
  )

const afterRollback = (rows: Internalization[], retired: Internalization): Succession | null => {
  const { state, id, updatedAt } = retired
  // an operator's decision needs an operator
  if (state.name !== 'retired' || state.evidence === undefined) return null
  const since = state.evidence.roseAt ?? updatedAt
  return { of: id, why: 'rolled-back', since: Math.max(since, newestJudge(rows, 'rolled-back')) }
}

const besideLive = async (
  { store }: WorkerDeps,
  rows: Internalization[],
  live: Internalization
): Promise<Succession | null> => {
  const report = await readRolloutReport(store, live.id)
  if (report !== null && report.driftedAt !== null) {
    const since = Math.max(beginOfDrift(report, live), newestJudge(rows, 'drifted'))
    return { of: live.id, why: 'drifted', since }
  }
  // most of the traffic of an early stage is the upstream's, and the rollout is not over
  if (rolloutStageOf(live.state)!.share < 1) return null
  const since = Math.max(live.updatedAt, newestJudge(rows, 'new-traffic'))
  return { of: live.id, why: 'new-traffic', since }
}

/** What an internalization would follow, if there were traffic enough. @returns null: nothing */
const successionOf = async (
  deps: WorkerDeps,
  rows: Internalization[]
): Promise<Succession | null> => {
  if (rows.some(({ state }) => isInWork(state))) return null
  const live = rows.find(({ state }) => state.name === 'live')
  if (live !== undefined) return besideLive(deps, rows, live)
  const [newest] = rows
    .filter(({ state }) => state.name !== 'rejected')
    .toSorted((a, b) => b.createdAt - a.createdAt)
  return newest === undefined ? null : afterRollback(rows, newest)
}

export interface Starts {
  /** @returns whether an internalization began */
  step(): Promise<boolean>
}

export const createStarts = (deps: WorkerDeps, mayStart: MayStart): Starts => {
  /** usable requests of a template when its traffic was last read, which takes time */
  const triedAt = new Map<string, number>()

  const isWorthATry = async ({ version }: Template): Promise<boolean> => {
    const { requests, answered } = await deps.store.templates.stats(version)
    const usable = requests - answered
    const needed = deps.config.trainRows + deps.config.holdoutRows
    const tried = triedAt.get(version)
    const next = tried === undefined ? 0 : tried + RETRY_GROWTH * Math.min(tried, needed)
    if (usable < Math.max(needed, next)) return false
    triedAt.set(version, usable)
    return true
  }

  const start = async (template: Template, all: Internalization[]): Promise<boolean> => {
    const rows = all.filter(({ templateVersion }) => templateVersion === template.version)
    const succession = rows.length === 0 ? null : await successionOf(deps, rows)
    if (rows.length > 0 && succession === null) return false
    if (!(await isWorthATry(template))) return false
    if (!(await hasEnoughRows(deps, template, succession?.since))) return false
    if (!(await mayStart(template))) return false
    const created = newInternalization(randomUUID(), template, deps.now(), succession)
    await deps.store.internalizations.create(created)
    deps.log({
      level: 'info',
      message: succession === null ? 'candidate' : `successor: ${succession.why}`,
      data: { version: template.version, ...(succession && { of: succession.of }) },
    })
    return true
  }

  return {
    async step() {
      const all = await deps.store.internalizations.list()
      let started = false
      for (const template of await deps.store.templates.list())
        started = (await start(template, all)) || started
      return started
    },
  }
}
