/** The report on a live route, and what an operator must be told of it. Pure. */
import { percent } from '../../core/figure-text.ts'
import type { BorderReport } from '../../core/rollout/border.ts'
import type { Internalization } from '../../core/internalization/internalization.ts'
import { meanLoss } from '../../core/rollout/evidence.ts'
import type { OutcomeFigures } from '../../core/outcomes/outcome-figures.ts'
import { risen, type IndicatorFigures } from '../../core/rollout/indicators.ts'
import type {
  EvidenceFigures,
  RolloutDecision,
  RolloutSettings,
} from '../../core/rollout/stages.ts'
import type { RolloutStage } from '../../core/rollout/stages.ts'
import type { UpstreamVersion } from '../../core/rollout/upstream-versions.ts'
import { lossRisen } from '../../core/internalization/change-reason.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import { reasonText } from '../../core/reasons/say-reason.ts'
import type { RolloutReport } from '../../lifecycle/rollout-report.ts'
import type { RouteFigures } from './route-reader.ts'

export interface ReportFacts extends Omit<RouteFigures, 'border'> {
  now: number
  stage: RolloutStage
  evidence: EvidenceFigures
  border: BorderReport
  feedback: OutcomeFigures
  decision: RolloutDecision
  /** see `stageWaits` */
  waitsFor: Reason[]
  auditPart: number
  rollout: RolloutSettings
  backlog: { waiting: number; dropped: number }
  spentUsdToday: number
  deprecatedOn: string | null
  /** null before the first report */
  last: RolloutReport | null
}

const driftOf = ({ decision, evidence, indicators, rollout }: ReportFacts): Reason | null => {
  if (decision.hasDrifted) return lossRisen(evidence)
  const [first]: (IndicatorFigures | undefined)[] = risen(indicators, rollout.rollbackCapital)
  if (first === undefined) return null
  const { indicator, seen, requests, share, bound, evidence: capital } = first
  const figures = { indicator, seen, requests, share, bound, evidence: capital }
  return reasonOf('questions-changed', figures)
}

export const makeReport = (facts: ReportFacts): RolloutReport => {
  const { now, last, rollout, backlog, deprecatedOn } = facts
  const drift = last?.drift ?? driftOf(facts)
  return {
    at: now,
    stage: facts.stage,
    evidence: facts.evidence,
    border: facts.border,
    feedback: facts.feedback,
    rollbackCapital: rollout.rollbackCapital,
    stepCapital: rollout.stepCapital,
    outcomes: facts.sums.outcomes,
    indicators: facts.indicators,
    upstreamVersions: facts.upstreamVersions,
    deprecatedOn,
    isDeprecated: deprecatedOn !== null && now >= Date.parse(deprecatedOn),
    ...backlog,
    waitsFor: facts.waitsFor,
    mayStep: facts.decision.mayStep,
    auditPart: facts.auditPart,
    driftedAt: drift === null ? null : (last?.driftedAt ?? now),
    drift,
    spentUsdToday: facts.spentUsdToday,
    auditUsdPerDay: rollout.auditUsdPerDay,
  }
}

/** Whether two reports say the same, at whatever time they were made. */
export const isSameReport = (one: RolloutReport | null, other: RolloutReport): boolean =>
  one !== null && JSON.stringify({ ...one, at: 0 }) === JSON.stringify({ ...other, at: 0 })

const modelOf = ({ name }: UpstreamVersion): string => name.replace(/ .*/s, '')

const lossOf = (version: UpstreamVersion): string =>
  `a loss of ${percent(meanLoss(version))} in ${version.pairs} pairs`

/** A model that no earlier report has. The first one is not new. */
const newModel = (last: RolloutReport | null, { upstreamVersions }: RolloutReport): string[] => {
  const known = last?.upstreamVersions ?? []
  const newest = known.at(-1)
  if (newest === undefined) return []
  const models = new Set(known.map(modelOf))
  return upstreamVersions
    .filter((version) => !models.has(modelOf(version)))
    .map(
      (version) =>
        `the upstream now answers with ${modelOf(version)}; with ${modelOf(newest)}, there was ` +
        `${lossOf(newest)}; promptintern watch compares both`
    )
}

const deprecation = (last: RolloutReport | null, report: RolloutReport): string[] => {
  const { deprecatedOn, isDeprecated } = report
  const wasTold = last?.isDeprecated === true && last.deprecatedOn === deprecatedOn
  return isDeprecated && !wasTold
    ? [`the provider retires the upstream's model on ${deprecatedOn}`]
    : []
}

export interface Warning {
  event: 'rollout.drift' | 'rollout.upstream_model' | 'rollout.deprecation'
  message: string
}

const warning =
  (event: Warning['event']) =>
  (message: string): Warning => ({ event, message })

/** Warnings that the report gives cause for and the last one did not. */
export const warningsOf = (last: RolloutReport | null, report: RolloutReport): Warning[] => {
  const newDrift = (last?.drift ?? null) === null ? report.drift : null
  return [
    ...(newDrift === null ? [] : [reasonText(newDrift)]).map(warning('rollout.drift')),
    ...newModel(last, report).map(warning('rollout.upstream_model')),
    ...deprecation(last, report).map(warning('rollout.deprecation')),
  ]
}

/** What programs read of a log line; events of webhooks have the same names. The evidence is in natural logarithms. */
export const eventData = (
  event: Warning['event'] | 'rollout.rolled_back' | 'rollout.stage',
  { id, templateVersion }: Internalization,
  { pairs, losses, credits, rollback, step, drift }: EvidenceFigures
): Record<string, unknown> => ({
  event,
  internalization: id,
  template: templateVersion,
  pairs,
  losses,
  credits,
  evidence: { rollback, step, drift },
})
