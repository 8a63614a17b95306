/**
 * Watches the live routes: has the lora answer audited requests, sums the pairs, and acts on their evidence.
 * A route whose loss exceeds the margin answers less where its pairs prove a narrower border, or is rolled back; one
 * that has shown that it does not enters the next stage. The sums are made of the stored pairs, so a crash neither repeats nor loses one.
 */
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import {
  borderOf,
  rolloutStageOf,
  winningLora,
  withheldBy,
  liveStageOf,
  verdictOf,
  type Internalization,
} from '../../core/internalization/internalization.ts'
import {
  borderAt,
  leastCounted,
  provedBorder,
  reportBorder,
  type Border,
  type BorderSums,
} from '../../core/rollout/border.ts'
import { isHarmful } from '../../core/outcomes/outcome-figures.ts'
import { coverageChange } from '../../core/internalization/coverage-steps.ts'
import {
  bordersOf,
  lossBoundsOf,
  newlyWrong,
  routeOf,
  withheldShare,
} from '../../core/internalization/live-route.ts'
import {
  decideRollout,
  evidenceFigures,
  stageName,
  trafficShares,
  type RolloutDecision,
  type RolloutStage,
} from '../../core/rollout/stages.ts'
import { asEvidence } from '../../core/rollout/pair.ts'
import { stageWaits } from '../../core/rollout/stage-time.ts'
import type { WithheldPart } from '../../core/rollout/withheld.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError } from '../../errors.ts'
import {
  adjustRoute,
  enterNextStage,
  retire,
  settleRoute,
  type PromotionContext,
} from '../../lifecycle/promote.ts'
import {
  borderMoved,
  partsWithheld,
  ratedWorse,
  rolledBack,
  stageEntered,
} from '../../core/internalization/change-reason.ts'
import { sayReason } from '../../core/reasons/say-reason.ts'
import {
  isSameStage,
  readAuditWait,
  readRolloutReport,
  saveAuditWait,
  saveRolloutReport,
  type RolloutReport,
} from '../../lifecycle/rollout-report.ts'
import type { WorkerDeps, WorkerEvent } from '../deps.ts'
import { isEngineLost } from '../engine/watch.ts'
import { WitnessUnavailable } from '../judge/witness.ts'
import { AuditParts } from './audit-parts.ts'
import { eventData, isSameReport, makeReport, warningsOf } from './make-report.ts'
import { FeedbackReader } from './feedback-reader.ts'
import { RouteReader } from './route-reader.ts'
import { AuditWait } from './audit-wait.ts'
import { judgeAudits, type AuditedRoute } from './judge-audits.ts'
import { findNarrowerBorder } from './narrow-border.ts'

const PAGE = 5_000
/** Beyond it the clock was changed while a batch was judged, or since then. */
const MAX_PAUSE_MS = 600_000
/** After another model of the upstream had no answer. */
const UPSTREAM_PAUSE_MS = 30_000

export interface WatchOutcome {
  /** an audited request was judged, or a stage changed */
  advanced: boolean
  isEngineLost: boolean
}

/** What is remembered of a live internalization. All of it can be made anew. */
interface Watched {
  reader: RouteReader
  /** the stage that the reader counts for, and the confidence from which on answers count */
  stage: RolloutStage
  countsFrom: number
  /** parts that are withheld, number */
  withheld: number
  /** of the ratings that the reader has read */
  revision: number
  report: RolloutReport | null
  /** what the route was last written for; null: it was not written since the reader was made */
  written: string | null
}

/** All that a route is written for in one stage: one that could not be written at once is written later. */
const writtenKey = (
  { state }: Internalization,
  audits: Pick<PromotionContext, 'auditPart' | 'audits'>
): string =>
  JSON.stringify([
    audits,
    borderOf(state)?.threshold,
    withheldBy(state).map(({ kind, name }) => [kind, name]),
  ])

export class LiveRoutes {
  private readonly formats = createAnswerFormats()
  private readonly watched = new Map<string, Watched>()
  private readonly waits = new Map<string, AuditWait>()
  private readonly feedback: FeedbackReader
  /** audits leave the engine at least half of its time */
  private pauseUntil = -Infinity
  private readonly auditParts: AuditParts
  private isEngineHere = false

  constructor(private readonly deps: WorkerDeps) {
    this.auditParts = new AuditParts(deps)
    this.feedback = new FeedbackReader(deps)
  }

  /** One round over all live routes. @param engine null while it is away: requests wait */
  async step(engine: Engine | null): Promise<WatchOutcome> {
    const { store, now } = this.deps
    const live = (await store.internalizations.list()).filter(({ state }) => state.name === 'live')
    const ids = new Set(live.map(({ id }) => id))
    for (const kept of [this.watched, this.waits])
      for (const id of kept.keys()) if (!ids.has(id)) kept.delete(id)
    this.feedback.keepOnly(new Set(live.flatMap((row) => winningLora(row) ?? [])))
    if (live.length === 0) return { advanced: false, isEngineLost: false }
    await this.auditParts.begin(ids)
    this.isEngineHere = engine !== null
    const pauseMs = this.pauseUntil - now()
    const isPaused = pauseMs > 0 && pauseMs <= MAX_PAUSE_MS
    const outcome = { advanced: false, isEngineLost: false }
    for (const row of live) {
      const one = await this.watchOne(row, outcome.isEngineLost ? null : engine, isPaused)
      outcome.advanced ||= one.advanced
      outcome.isEngineLost ||= one.isEngineLost
    }
    return outcome
  }

  private async watchOne(
    row: Internalization,
    engine: Engine | null,
    isPaused: boolean
  ): Promise<WatchOutcome> {
    const audited = await this.auditedRoute(row)
    if (audited === null) return { advanced: false, isEngineLost: false }
    const outcome = { advanced: false, isEngineLost: false }
    const { model, engine: wanted } = audited.route
    const isThere = model !== undefined || engine?.name === wanted
    // over the limit of a day, requests wait: without second answers their losses would not be comparable
    const wait = this.waits.get(row.id) ?? new AuditWait()
    this.waits.set(row.id, wait)
    const { now } = this.deps
    if (isThere && !isPaused && !this.auditParts.isSpent && wait.isOver(now())) {
      try {
        outcome.advanced = await this.judge(engine, audited, wait)
        if (outcome.advanced && wait.isNoted) {
          if ((await readAuditWait(this.deps.store, row.id)) !== null)
            await saveAuditWait(this.deps.store, row.id, null)
          wait.isNoted = false
        }
      } catch (thrown) {
        this.deps.fault('audit', thrown, { internalization: row.id })
        outcome.isEngineLost = isEngineLost(toAppError(thrown))
        if (thrown instanceof WitnessUnavailable) {
          wait.failed(now())
          wait.isNoted = true
          await saveAuditWait(this.deps.store, row.id, thrown.reason)
        } else if (model !== undefined) this.pauseUntil = now() + UPSTREAM_PAUSE_MS
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
    return { internalization: row, plan: row.plan, template, route, stage, costsAnswer }
  }

  private async judge(
    engine: Engine | null,
    audited: AuditedRoute,
    wait: AuditWait
  ): Promise<boolean> {
    const begun = this.deps.now()
    const judged = await judgeAudits(this.deps, engine, this.formats, audited, wait)
    const ended = this.deps.now()
    if (judged > 0) this.pauseUntil = ended + (ended - begun)
    return judged > 0
  }

  /** Reads the pairs that are new, or all of them after a rating or a change of what the route answers. */
  private async read({
    internalization,
    plan,
    template,
    route,
    stage,
  }: AuditedRoute): Promise<Watched> {
    const { store } = this.deps
    const { id } = internalization
    const revision = await store.pairs.revision()
    const known = this.watched.get(id)
    const countsFrom = leastCounted(borderOf(internalization.state))
    const withheld = withheldBy(internalization.state).length
    const isCurrent =
      known?.revision === revision &&
      known.countsFrom === countsFrom &&
      known.withheld === withheld &&
      isSameStage(known.stage, stage)
    const watched: Watched = isCurrent
      ? known
      : {
          reader: new RouteReader({
            isSingle: template.maxTurnsAfter === 0,
            pairsBefore: stage.before.pairs,
            baseline: internalization.verdict?.baseline ?? null,
            borders: bordersOf(internalization, template).wider,
            countsFrom,
            parts: plan.parts,
            withheldShare: withheldShare(internalization),
          }),
          stage,
          countsFrom,
          withheld,
          revision,
          report: known?.report ?? (await readRolloutReport(store, id)),
          written: null,
        }
    this.watched.set(id, watched)
    for (;;) {
      const pairs = await store.pairs.since(route.lora, watched.reader.lastPlace, PAGE)
      const isJudged = plan.judge !== undefined
      watched.reader.read(pairs.map((pair) => asEvidence(pair, isJudged)))
      if (pairs.length < PAGE) return watched
    }
  }

  /** Decides on the pairs so far. @returns whether the state of the internalization changed */
  private async act(audited: AuditedRoute): Promise<boolean> {
    const { store, rollout } = this.deps
    const { internalization } = audited
    const watched = await this.read(audited)
    const { report, decision, border, sums } = await this.judgeRoute(audited, watched)
    if (!isSameReport(watched.report, report)) {
      for (const { event, message } of warningsOf(watched.report, report)) {
        const data = eventData(event, internalization, report.evidence)
        this.deps.log({ level: 'warn', message, data })
      }
      await saveRolloutReport(store, internalization.id, report)
      watched.report = report
    }
    const { least } = report.evidence
    const wrong = newlyWrong(
      internalization,
      watched.reader.wrongParts(rollout.rollbackCapital, least)
    )
    if (wrong.length > 0) return this.withhold(internalization, wrong, sums)
    const isRatedWorse = isHarmful(report.feedback, report.rollbackCapital)
    if (decision.rollsBack && !isRatedWorse && (await this.narrow(audited, watched, report, sums)))
      return true
    if (decision.rollsBack || isRatedWorse) return this.rollBack(internalization, report, decision)
    if (decision.mayStep && rollout.steps) return this.enterNext(internalization, report)
    if (border !== null && report.driftedAt === null)
      return this.widen(internalization, border, sums)
    // a person is waited for
    const audits = decision.mayStep ? 'few' : 'all'
    const { auditPart } = report
    const written = writtenKey(internalization, { auditPart, audits })
    if (written !== watched.written) {
      const context: PromotionContext = { ...this.context(), audits, auditPart }
      await settleRoute(store, internalization.templateVersion, context)
      watched.written = written
    }
    return false
  }

  private async judgeRoute(
    { internalization, route }: AuditedRoute,
    { reader, stage, report: last }: Watched
  ): Promise<{
    report: RolloutReport
    decision: RolloutDecision
    border: Border | null
    sums: BorderSums
  }> {
    const { store, now, rollout, replayUpstream, deprecatedOn } = this.deps
    const [oldest] = await store.pairs.waiting(route.lora, 1)
    const figures = reader.figures(oldest?.at ?? now())
    const { sums } = figures
    const hasCredits = replayUpstream !== null || sums.stream.credits > 0
    const isMoved = borderOf(internalization.state) !== null
    const evidence = evidenceFigures(sums, lossBoundsOf(internalization, hasCredits, isMoved))
    const { stageParts } = sums
    const baseline = internalization.verdict?.baseline ?? null
    const waitsFor = stageWaits({ stage, stageParts, baseline, now: now() }, rollout)
    const decision = decideRollout(evidence, { stage, waitsFor }, rollout)
    const { margin } = evidence
    const { borders } = figures.border
    const present = borders.findIndex(({ threshold }) => threshold === route.threshold)
    const proved = provedBorder(borders, present, { margin, capital: rollout.stepCapital })
    const backlog = await store.pairs.backlog(route.lora)
    const report = makeReport({
      ...figures,
      feedback: await this.feedback.figures({
        lora: route.lora,
        isSingle: route.template.maxTurnsAfter === 0,
        margin: verdictOf(internalization).margin,
      }),
      now: now(),
      stage,
      evidence,
      border: reportBorder(figures.border, present, margin),
      decision,
      waitsFor,
      rollout,
      backlog,
      auditPart: this.auditParts.of(internalization.id, this.isEngineHere ? backlog.waiting : null),
      spentUsdToday: this.auditParts.spentUsdToday,
      deprecatedOn: deprecatedOn(route.template.model),
      last,
    })
    const border = proved > present ? borderAt(figures.border, proved, margin) : null
    return { report, decision, border, sums: figures.border }
  }

  private context(): PromotionContext {
    const { now, rollout } = this.deps
    return { by: 'worker', now: now(), rollout }
  }

  private async rollBack(
    row: Internalization,
    { evidence, feedback }: RolloutReport,
    { rollsBack }: RolloutDecision
  ): Promise<true> {
    const reason = rollsBack ? rolledBack(evidence) : ratedWorse(feedback)
    const grounds = rollsBack ? { evidence } : { evidence, feedback }
    await retire(this.deps.store, row, reason, this.context(), grounds)
    const data = eventData('rollout.rolled_back', row, evidence)
    this.deps.log({ level: 'error', message: sayReason(reason).says, data })
    return true
  }

  private withhold(row: Internalization, wrong: WithheldPart[], sums: BorderSums): Promise<true> {
    const withheld = [...withheldBy(row.state), ...wrong]
    const changed = { withheld, coverage: coverageChange(row, { withheld }, sums) }
    const count = (kind: WithheldPart['kind']): number =>
      wrong.filter((part) => part.kind === kind).length
    const data = {
      event: 'rollout.withheld',
      answers: count('answer'),
      requests: count('request'),
    }
    return this.adjust(row, changed, {
      level: 'warn',
      message: sayReason(partsWithheld(wrong)).says,
      data,
    })
  }

  /** @returns false where pairs prove no narrower border */
  private async narrow(
    audited: AuditedRoute,
    { reader, stage }: Watched,
    { evidence }: RolloutReport,
    sums: BorderSums
  ): Promise<boolean> {
    const found = await findNarrowerBorder(this.deps, audited, evidence, reader.lastPlace)
    if (found === null) return false
    const { border, answers } = found
    const data = { event: 'rollout.narrowed', ...border }
    const { internalization } = audited
    const coverage = coverageChange(internalization, { border }, sums, answers.pairs)
    const changed = { border, stage: { ...stage, before: answers }, coverage }
    const line = { level: 'warn', message: sayReason(borderMoved(border)).says, data } as const
    return this.adjust(internalization, changed, line)
  }

  private widen(row: Internalization, border: Border, sums: BorderSums): Promise<true> {
    const changed = { border, coverage: coverageChange(row, { border }, sums) }
    const data = { event: 'rollout.border', ...border }
    const message = sayReason(borderMoved(border)).says
    return this.adjust(row, changed, { level: 'info', message, data })
  }

  /** Changes what the route answers, and logs it. */
  private async adjust(
    row: Internalization,
    changed: Parameters<typeof adjustRoute>[2],
    { data, ...line }: Pick<WorkerEvent, 'level' | 'message' | 'data'>
  ): Promise<true> {
    await adjustRoute(this.deps.store, row, changed, this.context())
    const ids = { internalization: row.id, template: row.templateVersion }
    this.deps.log({ ...line, data: { ...ids, ...data } })
    return true
  }

  private async enterNext(row: Internalization, { evidence }: RolloutReport): Promise<true> {
    const entered = await enterNextStage(this.deps.store, row, evidence, this.context())
    const stage = liveStageOf(entered)
    this.deps.log({
      level: 'info',
      message: `${stageName(stage)}: ${sayReason(stageEntered(evidence)).says}`,
      data: { ...eventData('rollout.stage', row, evidence), stage: stageName(stage) },
    })
    return true
  }
}
