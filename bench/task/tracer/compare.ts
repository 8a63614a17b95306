/**
 * TRACER beside our arms: its answers and scores go through our gate, on the rows that our arms were judged on,
 * and the threshold is tried on the fresh test rows. Its own rules choose their thresholds on its own
 * calibration rows, and are tried on the same test rows. Knows nothing of how rows were read.
 */
import { textOf } from '../../../src/core/answer/outcome.ts'
import { agree, type Comparison } from '../../../src/core/answer/agreement.ts'
import { heldOutRows } from '../../../src/core/evidence/decision-facts.ts'
import { decide, type Verdict } from '../../../src/core/gate/gate.ts'
import { burstMsOf, type InternalizationPlan } from '../../../src/core/lifecycle/internalization.ts'
import type { EvaluationRow } from '../../../src/store/store.ts'
import { answersOf, heldOutRecords } from '../../../src/worker/internalize/decision-facts.ts'
import { NOT_ASKED_TODAY } from '../../../src/worker/internalize/evaluate-row.ts'
import type { Figure } from '../../report.ts'
import { trainTracer, type Tracer, type TracerAnswer } from './recipe.ts'
import type { Fresh, TracerRows } from './read-rows.ts'
import { boundedThreshold, uncorrectedThreshold } from './thresholds.ts'

/** Labels of both data sets differ by more than their case. */
const AS_LABELS: Comparison = { responseType: 'label', folds: { case: true, forms: true } }

/** The seed of TRACER's own runs. */
const SEED = 42

/** What the gate was told when it judged our arms. */
type GateSettings = Pick<Verdict, 'margin' | 'alpha' | 'minCoverage'>

const evaluationRow = (
  { names, heldOut }: TracerRows,
  { label, score }: TracerAnswer,
  at: number
): EvaluationRow => {
  const { id, outcome } = heldOut.exchanges[at]!
  const logged = textOf(outcome)
  const confidence = Math.log(Math.max(score, Number.MIN_VALUE))
  const isAsked = heldOut.isAnswerable[at]!
  const agrees = isAsked && logged !== null && agree(AS_LABELS, names[label]!, logged)
  return {
    internalizationId: '',
    arm: 0,
    recordId: id,
    answer: names[label]!,
    logprobSum: confidence,
    logprobMin: confidence,
    agrees,
    similarity: Number(agrees),
    deferred: isAsked ? null : 'kind-not-proven',
    ...NOT_ASKED_TODAY,
  }
}

const verdictOf = (
  tracer: Tracer,
  rows: TracerRows,
  plan: InternalizationPlan,
  settings: GateSettings
): Verdict => {
  const { exchanges, features } = rows.heldOut
  const answered = tracer.answer(features).map((answer, at) => evaluationRow(rows, answer, at))
  const records = heldOutRecords(plan, exchanges, [])
  const judged = heldOutRows(records, answersOf(records, answered, 0))
  const { margin, alpha, minCoverage } = settings
  return decide({
    margin,
    alpha,
    minCoverage,
    arms: [{ arm: 'label-head', statistic: 'sum', rows: judged }],
    responseType: 'label',
    burstMs: burstMsOf(plan),
  })
}

/** Coverage of all fresh rows, and agreement of the answered ones. @param threshold null: nothing is answered */
const freshFigures = (
  answers: readonly TracerAnswer[],
  { names, fresh }: { names: string[]; fresh: Fresh },
  threshold: number | null
): { coverage: number; agreement: number } => {
  const given = [...answers.entries()].filter(
    ([at, { score }]) => fresh.isAnswerable[at]! && threshold !== null && score >= threshold
  )
  const agreeing = given.filter(([at, { label }]) =>
    agree(AS_LABELS, names[label]!, fresh.answers[at]!)
  )
  return {
    coverage: given.length / answers.length,
    agreement: given.length === 0 ? 0 : agreeing.length / given.length,
  }
}

const share = (value: number): Figure => ({ value, unit: 'share' })

/** @param name prefix of the figures */
const gatedFigures = (
  name: string,
  { surrogate }: Tracer,
  fresh: (threshold: number | null) => { coverage: number; agreement: number },
  { verdict, reason, arms }: Verdict
): Record<string, Figure> => {
  const [judged] = arms
  const threshold = verdict === 'promote' ? judged!.threshold : null
  const { coverage, agreement } = fresh(threshold === null ? null : Math.exp(threshold))
  return {
    [`${name}_surrogate`]: { value: surrogate, unit: '' },
    [`${name}_verdict`]: { value: reason, unit: '' },
    [`${name}_holdout_agreement`]: share(judged!.agreement),
    [`${name}_holdout_coverage`]: share(threshold === null ? 0 : judged!.coverage),
    [`${name}_coverage`]: share(coverage),
    [`${name}_agreement_answered`]: share(agreement),
  }
}

/**
 * `tracer_…` are the recipe's under our gate; `tracer_freed_…` too, with the calibration rows, which our gate does
 * not need, to train on; `tracer_uncorrected_…` and `tracer_bounded_…` by its own rules at the agreement that our
 * gate guarantees where the upstream contradicts itself in nothing.
 */
export const tracerFigures = (
  rows: TracerRows,
  plan: InternalizationPlan,
  settings: GateSettings
): Record<string, Figure> => {
  const [own, freed] = [false, true].map((trainsOnCalibration) =>
    trainTracer(rows.train, { trainsOnCalibration, seed: SEED })
  ) as [Tracer, Tracer]
  const freshOf = (tracer: Tracer) => {
    const answers = tracer.answer(rows.fresh.features)
    return (threshold: number | null) => freshFigures(answers, rows, threshold)
  }
  const fresh = freshOf(own)
  const target = 1 - settings.margin
  const uncorrected = fresh(uncorrectedThreshold(own.calibration, target))
  const bounded = fresh(boundedThreshold(own.calibration, target, SEED))
  return {
    tracer_answerable_rows: {
      value: rows.fresh.isAnswerable.filter(Boolean).length,
      unit: 'rows',
    },
    ...gatedFigures('tracer', own, fresh, verdictOf(own, rows, plan, settings)),
    ...gatedFigures('tracer_freed', freed, freshOf(freed), verdictOf(freed, rows, plan, settings)),
    tracer_uncorrected_coverage: share(uncorrected.coverage),
    tracer_uncorrected_agreement: share(uncorrected.agreement),
    tracer_bounded_coverage: share(bounded.coverage),
    tracer_bounded_agreement: share(bounded.agreement),
  }
}
