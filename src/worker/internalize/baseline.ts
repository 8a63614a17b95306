/** The held-out traffic as the winning arm would have answered it, for comparison with later traffic. */
import { textOf } from '../../core/answer/outcome.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import type { InternalizationPlan } from '../../core/internalization/internalization.ts'
import { baselineOf, type Baseline, type Sighting } from '../../core/rollout/indicators.ts'
import { kindOf } from '../../core/route/request-kind.ts'
import { confidenceOf } from '../../core/route/confidence.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { winningFigures } from '../../core/internalization/internalization.ts'

/** What a request and the upstream's answer show, without the lora's answer. */
export const sightingOf = (
  { answers: { labels } }: Pick<InternalizationPlan, 'answers'>,
  { request, match, outcome }: Pick<MatchedExchange, 'request' | 'match' | 'outcome'>
): Pick<Sighting, 'chars' | 'isNewLabel'> => {
  const text = textOf(outcome)
  return {
    chars: kindOf(request, match).chars,
    isNewLabel: labels === null ? null : text === null || !labels.includes(text),
  }
}

/** @returns null when no threshold passed, or no held-out record is left */
export const baselineOfVerdict = (
  plan: InternalizationPlan,
  verdict: Verdict,
  rows: readonly EvaluationRow[],
  heldOut: readonly MatchedExchange[]
): Baseline | null => {
  const { threshold, confidence: statistic } = winningFigures(verdict)
  if (threshold === null) return null
  const traffic = new Set(plan.holdoutRecordIds)
  const byId = new Map(
    rows.filter(({ arm }) => arm === verdict.arm).map((row) => [row.recordId, row])
  )
  const sightings = heldOut.flatMap((exchange): (Sighting & { at: number })[] => {
    const row = byId.get(exchange.id)
    if (row === undefined || !traffic.has(exchange.id)) return []
    const confidence = confidenceOf(statistic, row)
    const isJudged = row.deferred === null && Number.isFinite(confidence)
    return [
      {
        ...sightingOf(plan, exchange),
        at: exchange.at,
        isFallback: !isJudged || confidence < threshold,
        confidence: isJudged ? confidence : null,
      },
    ]
  })
  return sightings.length === 0 ? null : baselineOf(sightings)
}
