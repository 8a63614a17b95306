/**
 * Watches the live routes: has the lora answer audited requests, sums the pairs, and acts on their evidence.
 * A route whose loss exceeds the margin is rolled back, one that has shown that it does not enters the next
 * stage. The sums are made of the stored pairs, so a crash neither repeats nor loses one.
 */
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import {
  isCurrentPlan,
  rolloutStageOf,
  type Internalization,
} from '../../core/lifecycle/internalization.ts'
import { lossBoundsOf, routeOf } from '../../core/lifecycle/live-route.ts'
import { PairReader, type PairSums } from '../../core/rollout/pair.ts'
import {
  decideRollout,
  evidenceFigures,
  stageName,
  trafficShares,
  type EvidenceFigures,
  type RolloutDecision,
} from '../../core/rollout/stages.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError } from '../../errors.ts'
import {
  enterNextStage,
  retire,
  settleRoute,
  type PromotionContext,
} from '../../lifecycle/promote.ts'
import {
  driftText,
  readRolloutReport,
  rollbackReason,
  saveRolloutReport,
  stepText,
  type RolloutReport,
} from '../../lifecycle/rollout-report.ts'
import type { WorkerDeps } from '../deps.ts'
import { isEngineLost } from '../engine/watch.ts'
import { judgeAudits, type AuditedRoute } from './judge-audits.ts'

const DAY_MS = 86_400_000
const PAGE = 5_000

export interface WatchOutcome {
  /** an audited request was judged, or a stage changed */
  advanced: boolean
  isEngineLost: boolean
}

export interface RouteWatch {
  /** One round over all live routes. @param engine null while it is away: requests wait */
  step(engine: Engine | null): Promise<WatchOutcome>
}

/** What is remembered of a live internalization. All of it can be made anew. */
interface Watched {
  reader: PairReader
  /** of the ratings that the reader has read */
  revision: number
  report: RolloutReport | null
  /** whether the route was last written for a day whose limit is reached; null: it was not written */
  settledSpent: boolean | null
}

/** What programs read of a log line. The evidence is in natural logarithms. */
const eventData = (
  event: 'drift' | 'rollback' | 'rollout-stage',
  { id, templateVersion }: Internalization,
  { pairs, losses, rollback, step, drift }: EvidenceFigures
): Record<string, unknown> => ({
  event,
  internalization: id,
  template: templateVersion,
  pairs,
  losses,
  evidence: { rollback, step, drift },
})

class LiveRoutes implements RouteWatch {
  private readonly deps: WorkerDeps
  private readonly formats = createAnswerFormats()
  private readonly watched = new Map<string, Watched>()
  /** audits leave the engine at least half of its time */
  private pauseUntil = -Infinity
  private spentUsdToday = 0

  constructor(deps: WorkerDeps) {
    this.deps = deps
  }

  async step(engine: Engine | null): Promise<WatchOutcome> {
    const { store, now } = this.deps
    const live = (await store.internalizations.list()).filter(
      ({ state, plan }) => state.name === 'live' && isCurrentPlan(plan)
    )
    for (const id of this.watched.keys())
      if (!live.some((row) => row.id === id)) this.watched.delete(id)
    if (live.length === 0) return { advanced: false, isEngineLost: false }
    this.spentUsdToday = await store.pairs.spent(Math.floor(now() / DAY_MS) * DAY_MS)
    const isPaused = now() < this.pauseUntil
    const outcome = { advanced: false, isEngineLost: false }
    for (const row of live) {
      const isAway = isPaused || outcome.isEngineLost
      const one = await this.watchOne(row, isAway ? null : engine)
      outcome.advanced ||= one.advanced
      outcome.isEngineLost ||= one.isEngineLost
    }
    return outcome
  }

  private async watchOne(row: Internalization, engine: Engine | null): Promise<WatchOutcome> {
    const audited = await this.auditedRoute(row)
    if (audited === null) return { advanced: false, isEngineLost: false }
    const outcome = { advanced: false, isEngineLost: false }
    if (engine !== null && engine.name === audited.route.engine) {
      try {
        outcome.advanced = await this.judge(engine, audited)
      } catch (thrown) {
        this.deps.fault('audit', thrown, { internalization: row.id })
        outcome.isEngineLost = isEngineLost(toAppError(thrown))
      }
    }
    const isChanged = await this.act(audited)
    return { ...outcome, advanced: outcome.advanced || isChanged }
  }

  /** @returns null when its template was deleted */
  private async auditedRoute(row: Internalization): Promise<AuditedRoute | null> {
    const { store, rollout } = this.deps
    const template = await store.templates.get(row.templateVersion)
    const stage = rolloutStageOf(row.state)
    if (template === null || stage === null || row.plan === null) return null
    const route = routeOf(row, template, trafficShares(stage, rollout))
    const costsAnswer = stage.share === 1
    return { internalization: row, plan: row.plan, template, route, costsAnswer }
  }

  private async judge(engine: Engine, audited: AuditedRoute): Promise<boolean> {
    const begun = this.deps.now()
    const judged = await judgeAudits(this.deps, engine, this.formats, audited)
    const ended = this.deps.now()
    if (judged > 0) this.pauseUntil = ended + (ended - begun)
    return judged > 0
  }

  /** Reads the pairs that are new, or all of them after a rating. */
  private async read({ internalization, template, route }: AuditedRoute): Promise<Watched> {
    const { store } = this.deps
    const { id } = internalization
    const revision = await store.pairs.revision()
    const known = this.watched.get(id)
    const isCurrent = known?.revision === revision
    const watched: Watched = isCurrent
      ? known
      : {
          reader: new PairReader(template.maxTurnsAfter === 0),
          revision,
          report: known?.report ?? (await readRolloutReport(store, id)),
          settledSpent: known?.settledSpent ?? null,
        }
    this.watched.set(id, watched)
    for (;;) {
      const pairs = await store.pairs.since(route.lora, watched.reader.lastPlace, PAGE)
      watched.reader.read(pairs)
      if (pairs.length < PAGE) return watched
    }
  }

  /** Decides on the pairs so far. @returns whether the state of the internalization changed */
  private async act(audited: AuditedRoute): Promise<boolean> {
    const { store, now, rollout, replayUpstream } = this.deps
    const { internalization, route } = audited
    const watched = await this.read(audited)
    const [oldest] = await store.pairs.waiting(route.lora, 1)
    const sums = watched.reader.sums(oldest?.at ?? now())
    const stage = rolloutStageOf(internalization.state)!
    const bounds = lossBoundsOf(internalization, replayUpstream !== null)
    const evidence = evidenceFigures(sums.stream, stage, bounds)
    const decision = decideRollout(evidence, stage, rollout)
    const report = await this.reportOf(audited, sums, { evidence, decision, last: watched.report })
    if (report !== null) {
      watched.report = report
      await saveRolloutReport(store, internalization.id, report)
    }
    if (decision.rollsBack) return this.rollBack(internalization, watched.report!)
    if (decision.mayStep && rollout.steps) return this.enterNext(internalization, watched.report!)
    if (this.isSpent !== watched.settledSpent) {
      await settleRoute(store, internalization.templateVersion, this.context())
      watched.settledSpent = this.isSpent
    }
    return false
  }

  /** @returns null when nothing has changed */
  private async reportOf(
    { internalization, route }: AuditedRoute,
    { outcomes }: PairSums,
    made: Pick<RolloutReport, 'evidence'> & {
      decision: RolloutDecision
      last: RolloutReport | null
    }
  ): Promise<RolloutReport | null> {
    const { store, now, rollout } = this.deps
    const { evidence, decision, last } = made
    const { waiting, dropped } = await store.pairs.backlog(route.lora)
    const { rollbackCapital, stepCapital, auditUsdPerDay } = rollout
    const driftedAt = last?.driftedAt ?? (decision.hasDrifted ? now() : null)
    const report: RolloutReport = {
      at: now(),
      stage: rolloutStageOf(internalization.state)!,
      evidence,
      rollbackCapital,
      stepCapital,
      outcomes,
      waiting,
      dropped,
      mayStep: decision.mayStep,
      driftedAt,
      spentUsdToday: this.spentUsdToday,
      auditUsdPerDay,
    }
    if (driftedAt !== null && (last?.driftedAt ?? null) === null)
      this.deps.log({
        level: 'warn',
        message: driftText(evidence),
        data: eventData('drift', internalization, evidence),
      })
    const isSame =
      last !== null && JSON.stringify({ ...last, at: 0 }) === JSON.stringify({ ...report, at: 0 })
    return isSame ? null : report
  }

  /** Whether audits have cost as much as they may on this day. */
  private get isSpent(): boolean {
    const { auditUsdPerDay } = this.deps.rollout
    return auditUsdPerDay !== null && this.spentUsdToday >= auditUsdPerDay
  }

  private context(): PromotionContext {
    const { now, rollout } = this.deps
    return {
      by: 'worker',
      now: now(),
      rollout: this.isSpent ? { ...rollout, auditShare: 0 } : rollout,
    }
  }

  private async rollBack(row: Internalization, { evidence }: RolloutReport): Promise<true> {
    const reason = rollbackReason(evidence)
    await retire(this.deps.store, row, reason, this.context(), evidence)
    const data = eventData('rollback', row, evidence)
    this.deps.log({ level: 'error', message: reason, data })
    return true
  }

  private async enterNext(row: Internalization, { evidence }: RolloutReport): Promise<true> {
    const entered = await enterNextStage(this.deps.store, row, evidence, this.context())
    const stage = rolloutStageOf(entered.state)!
    this.deps.log({
      level: 'info',
      message: stepText(stage, evidence),
      data: { ...eventData('rollout-stage', row, evidence), stage: stageName(stage) },
    })
    return true
  }
}

export const watchRoutes = (deps: WorkerDeps): RouteWatch => new LiveRoutes(deps)
