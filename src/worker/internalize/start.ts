/**
 * Which templates are internalized without an operator: those with enough traffic that have none yet, those whose
 * route was rolled back, has drifted, or has seen as much new traffic as it was made from, and those that were
 * rejected and have seen as much new traffic as that. Each try learns from all exchanges that it may learn from,
 * so the rows double from try to try.
 */
import { unconsentedType } from '../../core/internalization/answer-type.ts'
import { randomUUID } from 'node:crypto'
import {
  newInternalization,
  rolloutStageOf,
  type Internalization,
  type InternalizationPlan,
  type Retry,
  type Succession,
} from '../../core/internalization/internalization.ts'
import { isInWork } from '../../lifecycle/transitions.ts'
import type { Template } from '../../core/template/template.ts'
import { readRolloutReport, type RolloutReport } from '../../lifecycle/rollout-report.ts'
import type { WorkerDeps } from '../deps.ts'
import { forCaller } from '../../core/detect/known-examples.ts'
import { usableRequests } from '../exchanges/exchanges.ts'
import { findEnoughRows, requestsNeeded, type EarlierTries } from '../plan/choose-rows.ts'
import type { MayStart } from './would-pay.ts'

/** Repeats leave fewer distinct exchanges than requests, so a start is retried after this growth. */
const RETRY_GROWTH = 0.1

/** Where the questions have changed and not the answers, all exchanges since the proof are as good. */
const beginOfDrift = (
  { evidence, rollbackCapital }: RolloutReport,
  { createdAt }: Internalization
): number =>
  evidence.drift >= Math.log(rollbackCapital) ? (evidence.roseAt ?? createdAt) : createdAt

const newestOf = (rows: readonly Internalization[]): Internalization | undefined =>
  rows.toSorted((a, b) => b.createdAt - a.createdAt)[0]

const isUntrained = ({ state }: Internalization): boolean =>
  state.name === 'rejected' && state.isUntrained === true

/** It was refused for the upstream's terms alone, and the operator has consented since: as if it never began. */
const isConsentedNow = (
  { terms }: WorkerDeps,
  { model }: Template,
  { state }: Internalization
): boolean => {
  const type = unconsentedType(state)
  return type !== null && terms.whyNot(model, type) === null
}

/** @param from when the first of them began, milliseconds since the epoch */
const triesSince = (rows: readonly Internalization[], from: number): EarlierTries => {
  const tries = rows.filter(({ createdAt }) => createdAt >= from)
  const trained = newestOf(tries.filter(({ plan }) => plan !== null))
  const refused = tries.filter(
    (row) => isUntrained(row) && row.createdAt > (trained?.createdAt ?? 0)
  )
  return { plan: trained?.plan ?? null, refused: refused.length }
}

/** Why an internalization begins, and after what. The first one of a template has no cause. */
interface Cause {
  successor?: Succession
  retry?: Retry
  earlier: EarlierTries
  /** of the live route */
  present?: InternalizationPlan | null
}

const afterRollback = (rows: Internalization[], retired: Internalization): Cause | null => {
  const { state, id, updatedAt } = retired
  // an operator's decision needs an operator
  if (state.name !== 'retired' || state.evidence === undefined) return null
  const since = state.evidence.roseAt ?? updatedAt
  return {
    successor: { of: id, why: 'rolled-back', since },
    earlier: triesSince(rows, updatedAt),
  }
}

/** When a verdict found that the upstream had changed, the newest one; 0: none did. */
const upstreamChangedAt = (rows: readonly Internalization[]): number =>
  Math.max(
    0,
    ...rows.filter(({ verdict }) => verdict?.change?.isChanged).map(({ updatedAt }) => updatedAt)
  )

const besideLive = async (
  { store }: WorkerDeps,
  rows: Internalization[],
  live: Internalization
): Promise<Cause | null> => {
  const { id, plan, createdAt, state } = live
  // a person has stopped it
  if (rolloutStageOf(state)?.isPaused) return null
  const report = await readRolloutReport(store, id)
  if (report !== null && report.driftedAt !== null)
    return {
      successor: { of: id, why: 'drifted', since: beginOfDrift(report, live) },
      earlier: triesSince(rows, report.driftedAt),
      present: plan,
    }
  // older answers than the live route learned from are no more
  const since = Math.max(plan?.successor?.since ?? 0, upstreamChangedAt(rows))
  return {
    successor: { of: id, why: 'new-traffic', since },
    earlier: triesSince(rows, createdAt),
    present: plan,
  }
}

/** What was rejected by a person waits for a person. */
const afterRejection = (rows: Internalization[], rejected: Internalization): Cause | null => {
  const { id, verdict } = rejected
  if (verdict?.verdict !== 'reject' && !isUntrained(rejected)) return null
  // what was logged before teaches the answers of an upstream that is no more
  const since = upstreamChangedAt(rows)
  return { retry: { of: id, ...(since > 0 && { since }) }, earlier: triesSince(rows, since) }
}

/** What an internalization would follow, if there were traffic enough. @returns null: it may not begin */
const causeOf = async (deps: WorkerDeps, rows: Internalization[]): Promise<Cause | null> => {
  const newest = newestOf(rows)
  if (newest === undefined) return { earlier: { plan: null, refused: 0 } }
  if (rows.some(({ state }) => isInWork(state))) return null
  const live = rows.find(({ state }) => state.name === 'live')
  if (live !== undefined) return besideLive(deps, rows, live)
  const accepted = newestOf(rows.filter(({ state }) => state.name !== 'rejected'))
  return accepted === undefined ? afterRejection(rows, newest) : afterRollback(rows, accepted)
}

/** What a log line says of the cause. */
const causeText = ({ successor, retry }: Cause): string => {
  if (successor !== undefined) return `successor: ${successor.why}`
  return retry === undefined ? 'candidate' : 'tried again: twice as much traffic'
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

  const isWorthATry = async (template: Template, needed: number): Promise<boolean> => {
    const { version } = template
    const usable = await usableRequests(deps.store, template)
    const tried = triedAt.get(version)
    const next = tried === undefined ? 0 : tried + RETRY_GROWTH * Math.min(tried, needed)
    if (usable < Math.max(needed, next)) return false
    triedAt.set(version, usable)
    return true
  }

  const start = async (template: Template, all: Internalization[]): Promise<boolean> => {
    const earlier = all.filter(
      (row) => row.templateVersion === template.version && !isConsentedNow(deps, template, row)
    )
    const cause = await causeOf(deps, earlier)
    if (cause === null) return false
    const { successor, retry, earlier: tries, present } = cause
    const since = successor?.since ?? retry?.since ?? 0
    if (!(await isWorthATry(template, requestsNeeded(deps.config, tries, since)))) return false
    const wanted = { template, since, present }
    const rows = await findEnoughRows(deps, wanted, tries)
    if (rows === null) return false
    if (rows.soleKey !== null) return addSibling(deps, template, rows.soleKey)
    if (!(await mayStart(template))) return false
    const why = { ...(successor && { successor }), ...(retry && { retry }) }
    const created = newInternalization(randomUUID(), template, deps.now(), why)
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
      for (const template of templates) started = (await start(template, all)) || started
      return started
    },
  }
}
