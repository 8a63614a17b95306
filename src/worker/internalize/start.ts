/**
 * Which templates are internalized without an operator: those with enough traffic that have none yet,
 * those whose route was rolled back, has drifted, or has seen as much new traffic as it was made from, and
 * those that were rejected and have as much traffic by now as the learning curve asks for, or as was asked for
 * since the upstream has changed.
 */
import { randomUUID } from 'node:crypto'
import {
  newInternalization,
  rolloutStageOf,
  type Internalization,
  type Retry,
  type Succession,
} from '../../core/internalization/internalization.ts'
import { isInWork } from '../../lifecycle/transitions.ts'
import type { Template } from '../../core/template/template.ts'
import { readCurve } from '../../lifecycle/learning-curve.ts'
import { readRolloutReport, type RolloutReport } from '../../lifecycle/rollout-report.ts'
import type { WorkerDeps } from '../deps.ts'
import { forCaller } from '../../core/detect/known-examples.ts'
import { siblingVersions, tagged } from '../exchanges/exchanges.ts'
import { findEnoughRows } from '../plan/choose-rows.ts'
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

const newestOf = (rows: Internalization[]): Internalization | undefined =>
  rows.toSorted((a, b) => b.createdAt - a.createdAt)[0]

/** What was rejected by a person, or before its training, waits for a person. */
const afterRejection = async (
  { store, config }: WorkerDeps,
  { id, updatedAt, verdict }: Internalization
): Promise<Retry | null> => {
  if (verdict?.verdict !== 'reject') return null
  // what was logged before teaches the answers of an upstream that is no more
  if (verdict.change?.isChanged) return { of: id, trainRows: config.trainRows, since: updatedAt }
  const curve = (await readCurve(store, id))?.curve
  const trainRows = curve?.targets[0]?.likelyRows ?? null
  return trainRows === null ? null : { of: id, trainRows }
}

/** Why an internalization begins. The first one of a template has no cause. */
interface Cause {
  successor?: Succession
  retry?: Retry
}

/** What an internalization would follow, if there were traffic enough. @returns null: it may not begin */
const causeOf = async (deps: WorkerDeps, rows: Internalization[]): Promise<Cause | null> => {
  if (rows.length === 0) return {}
  if (rows.some(({ state }) => isInWork(state))) return null
  const live = rows.find(({ state }) => state.name === 'live')
  const accepted = newestOf(rows.filter(({ state }) => state.name !== 'rejected'))
  if (live === undefined && accepted === undefined) {
    const retry = await afterRejection(deps, newestOf(rows)!)
    return retry && { retry }
  }
  const successor =
    live === undefined ? afterRollback(rows, accepted!) : await besideLive(deps, rows, live)
  return successor && { successor }
}

/** What a log line says of the cause. */
const causeText = ({ successor, retry }: Cause): string => {
  if (successor !== undefined) return `successor: ${successor.why}`
  if (retry === undefined) return 'candidate'
  return retry.since === undefined
    ? 'tried again: as much traffic as the learning curve asks for'
    : 'tried again: as much traffic since the upstream has changed'
}

/** Stores the template of one key, which begins in its own turn. @returns false: nothing began */
const addSibling = async (
  { store }: WorkerDeps,
  template: Template,
  key: string
): Promise<false> => {
  const sibling = forCaller(template, key)
  if ((await store.templates.get(sibling.version)) === null) await store.templates.upsert([sibling])
  return false
}

export interface Starts {
  /** @returns whether an internalization began */
  step(): Promise<boolean>
}

export const createStarts = (deps: WorkerDeps, mayStart: MayStart): Starts => {
  /** usable requests of a template when its traffic was last read, which takes time */
  const triedAt = new Map<string, number>()

  /** @param tags of the template's records */
  const isWorthATry = async (
    { version }: Template,
    tags: readonly string[],
    trainRows: number
  ): Promise<boolean> => {
    const { requests, answered } = await tagged(deps.store, tags)
    const usable = requests - answered
    const needed = trainRows + deps.config.holdoutRows
    const tried = triedAt.get(version)
    const next = tried === undefined ? 0 : tried + RETRY_GROWTH * Math.min(tried, needed)
    if (usable < Math.max(needed, next)) return false
    triedAt.set(version, usable)
    return true
  }

  const start = async (
    template: Template,
    templates: Template[],
    all: Internalization[]
  ): Promise<boolean> => {
    const earlier = all.filter(({ templateVersion }) => templateVersion === template.version)
    const cause = await causeOf(deps, earlier)
    if (cause === null) return false
    const { successor, retry } = cause
    const trainRows = retry?.trainRows ?? deps.config.trainRows
    const tags = siblingVersions(templates, template)
    if (!(await isWorthATry(template, tags, trainRows))) return false
    const wanted = { template, since: successor?.since ?? retry?.since, trainRows }
    const rows = await findEnoughRows(deps, wanted)
    if (rows === null) return false
    if (rows.soleKey !== null) return addSibling(deps, template, rows.soleKey)
    if (!(await mayStart(template))) return false
    const created = newInternalization(randomUUID(), template, deps.now(), cause)
    await deps.store.internalizations.create(created)
    deps.log({
      level: 'info',
      message: causeText(cause),
      data: { version: template.version, ...(successor ?? retry) },
    })
    return true
  }

  return {
    async step() {
      const all = await deps.store.internalizations.list()
      const templates = await deps.store.templates.list()
      let started = false
      for (const template of templates) started = (await start(template, templates, all)) || started
      return started
    },
  }
}
