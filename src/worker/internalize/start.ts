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

/** Where the questions have changed and not the answers, older exchanges are as good as new ones. */
const beginOfDrift = ({ evidence, rollbackCapital }: RolloutReport): number =>
  evidence.drift >= Math.log(rollbackCapital) ? (evidence.roseAt ?? 0) : 0

/** What an internalization would follow, if there were traffic enough. @returns null: nothing */
const successionOf = async (
  { store }: WorkerDeps,
  rows: Internalization[]
): Promise<Succession | null> => {
  const [newest] = rows.toSorted((a, b) => b.createdAt - a.createdAt)
  if (newest === undefined || rows.some(({ state }) => isInWork(state))) return null
  const live = rows.find(({ state }) => state.name === 'live')
  if (live !== undefined) {
    const report = await readRolloutReport(store, live.id)
    const driftedAt = report?.driftedAt ?? null
    // most of the traffic of an early stage is the upstream's, and the rollout is not over
    if (driftedAt === null && rolloutStageOf(live.state)!.share < 1) return null
    const since = driftedAt === null ? 0 : beginOfDrift(report!)
    return {
      of: live.id,
      why: driftedAt === null ? 'new-traffic' : 'drifted',
      // traffic that judged an earlier successor judges no other
      since: Math.max(since, newest.createdAt),
    }
  }
  const { state } = newest
  // an operator's decision, and a failure, need an operator
  if (state.name !== 'retired' || state.evidence === undefined) return null
  const since = state.evidence.roseAt ?? newest.updatedAt
  return { of: newest.id, why: 'rolled-back', since }
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
