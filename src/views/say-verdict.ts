/** A verdict in sentences and tables, for a person who decides: page and terminal lay out the same. Pure. */
import type { FieldFigures } from '../core/answer/field-figures.ts'
import { trainedSeconds } from '../core/cost/template-economics.ts'
import { checkerPromise } from '../core/gate/checker.ts'
import type { ArmFigures, Verdict } from '../core/gate/gate.ts'
import type { SliceFigures } from '../core/gate/slices.ts'
import { holdoutText } from '../core/internalization/holdout-time.ts'
import {
  winningFigures,
  type Arm,
  type Internalization,
  type InternalizationPlan,
  type ProvenVerdict,
} from '../core/internalization/internalization.ts'
import { modelOfArm, type TrainedArmName } from '../core/learn/schedule.ts'
import { compact } from '../core/lists.ts'
import { meanLoss } from '../core/rollout/evidence.ts'
import type { EvidenceFigures } from '../core/rollout/stages.ts'
import type { ConfidenceStatistic } from '../core/route/confidence.ts'
import { numbers, type FactTable, type Tone } from './facts.ts'
import { counted, duration, percent, points, whole } from '../core/figure-text.ts'

export interface Standing {
  tone: Tone
  words: string
}

/** Agreement that is promised. */
export const promiseOf = ({
  upstreamAgreement,
  margin,
}: Pick<Verdict, 'upstreamAgreement' | 'margin'>): number => Math.max(0, upstreamAgreement - margin)

/** Shares of 1. An answer that the upstream's own second answer contradicts, too, counts as agreement. */
export interface Agreement {
  observed: number
  /** at least, at 95 % */
  bound: number
  promised: number
}

/** @returns null before a conversation was compared */
export const liveAgreement = (evidence: EvidenceFigures | null): Agreement | null => {
  if (evidence === null || evidence.pairs === 0) return null
  const { interval, margin } = evidence
  return {
    observed: 1 - Math.max(0, meanLoss(evidence)),
    bound: 1 - interval[1],
    promised: 1 - margin,
  }
}

export const standingOf = ({ observed, bound, promised }: Agreement): Standing => {
  if (observed < promised) return { tone: 'bad', words: 'below the promise' }
  return bound >= promised
    ? { tone: 'good', words: 'keeps the promise' }
    : { tone: 'waits', words: 'above the promise, not proven yet' }
}

/** Of a part of the traffic, which may be ten points worse than the upstream and is not promised more. */
export const sliceStanding = (
  { holds, agreement, lowerBound }: Pick<SliceFigures, 'holds' | 'agreement' | 'lowerBound'>,
  promised: number
): Standing => {
  if (!holds) return { tone: 'bad', words: 'fails: more than 10 points worse' }
  if (agreement < promised) return { tone: 'waits', words: 'worse, by less than 10 points' }
  return standingOf({ observed: agreement, bound: lowerBound, promised })
}

/**
 * What the winning arm answers, and how often its answers agree.
 * @param model the upstream's
 * @param verb such as `would answer`
 */
export const sayAnswers = (verdict: Verdict, model: string, verb: string): string => {
  const {
    arm,
    coverage,
    rows,
    agreementAnswered: observed,
    agreementAnsweredBound: bound,
  } = winningFigures(verdict)
  return (
    `It ${verb} ${percent(coverage)} of the requests ${modelOfArm(arm) === null ? 'without the prompt' : 'in its place'}; of these at least ` +
    `${percent(bound)} agree with ${model} (${percent(observed)} were observed, on ` +
    `${whole(Math.round(coverage * rows))} of ${whole(rows)} held-out requests). ${model} answers the rest.`
  )
}

const sayPromise = (
  verdict: Pick<Verdict, 'margin' | 'upstreamAgreement'>,
  model: string
): string => {
  const { margin, upstreamAgreement } = verdict
  const least = percent(promiseOf(verdict))
  return upstreamAgreement === 1
    ? `The promise is an agreement of at least ${least}: the margin is ${points(margin)}.`
    : `${model} agrees with its own second answers in ${percent(upstreamAgreement)} of the cases. The promise is an agreement at most ${points(margin)} lower: at least ${least}.`
}

/** What an arm is, for a person who never trained a model. */
const ARM_TEXTS: Record<TrainedArmName, string> = {
  'label-head':
    'a label head: a classifier that chooses one of the known labels and never saw the prompt',
  'field-head':
    'a field head: a tagger that copies values from the message, chooses others, and never saw the prompt',
  'query-only': 'a small model with a LoRA that was trained without the prompt from the beginning',
  schedule: 'a small model with a LoRA, trained while the prompt was removed stage by stage',
}

export const armText = ({ name, model }: Pick<Arm, 'name' | 'model'>): string =>
  model === undefined
    ? ARM_TEXTS[name as TrainedArmName]
    : `${model.name}, another model of the upstreams, which reads the whole prompt`

const baseOf = ({ encoder, model }: Arm, baseModel: string): string => {
  if (model !== undefined) return ''
  return encoder === undefined
    ? `, on the base model ${baseModel}`
    : `, on the sentence encoder ${encoder}`
}

/** @returns null before a verdict */
const sayWinner = (row: Internalization): string | null => {
  const { plan, verdict } = row
  const arm = verdict && plan?.arms[verdict.arm]
  if (!arm) return null
  const { length: count } = plan.arms
  const trained = arm.model === undefined ? ' that were trained' : ''
  const begin = count === 1 ? 'It is' : `Of ${count} candidates${trained}, the winner is`
  const seconds = trainedSeconds(row)
  const training = seconds === 0 ? '' : ` All training took ${duration(1000 * seconds)}.`
  return `${begin} ${armText(arm)}${baseOf(arm, plan.baseModel)}.${training}`
}

/** @param model the upstream's */
const sayComparison = ({ change, upstreamAgreement }: Verdict, model: string): string => {
  if (change === null)
    return `The answers are compared with those of the log. No allowance is made for cases in which ${model} contradicts itself: measuring them needs UPSTREAM_API_KEY.`
  const { rows, changed } = change
  return (
    `${whole(rows)} requests were sent to ${model} twice more. The small model is compared with the first of the new answers. ` +
    `${model} gave the same answer twice in ${percent(upstreamAgreement)} of the cases that would be answered. ` +
    `For ${whole(changed)} requests, both new answers agree and differ from the logged one.`
  )
}

const heldOutSentence = (plan: InternalizationPlan): string => {
  const text = holdoutText(plan)
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}

/** What was proven, of the one that may go live, or does. */
const promised = (row: Internalization, verdict: ProvenVerdict, model: string): string[] =>
  verdict.verdict === 'reject'
    ? []
    : compact([
        sayAnswers(verdict, model, 'was proven to answer'),
        sayPromise(verdict, model),
        sayWinner(row),
        verdict.checker !== undefined && checkerPromise(verdict.checker, verdict.margin).join(' '),
      ])

/** @param model the upstream's */
export const verdictLines = (
  row: Internalization,
  verdict: ProvenVerdict,
  model: string
): string[] =>
  compact([
    ...promised(row, verdict, model),
    row.plan !== null && heldOutSentence(row.plan),
    sayComparison(verdict, model),
  ])

const samplesTable = (samples: ArmFigures['samples'], model: string): FactTable => ({
  caption: 'The promise must hold on traffic and on unseen questions',
  columns: [
    'Held out',
    ...numbers('Requests', 'Answered', 'Worth', `Agree with ${model}`, 'At least'),
  ],
  rows: (
    [
      ['traffic', samples.traffic],
      ['unseen questions', samples.unseen],
    ] as const
  ).map(([name, { rows, answered, effectiveRows, agreement, bound }]) => [
    name,
    whole(rows),
    whole(answered),
    whole(effectiveRows),
    answered === 0 ? '' : percent(agreement),
    answered === 0 ? '' : percent(bound),
  ]),
})

const slicesTable = (slices: SliceFigures[], verdict: Verdict, model: string): FactTable => ({
  caption: 'Parts of the traffic with at least 50 answers',
  columns: ['Part', ...numbers('Answers', 'Agree', 'At least', `${model} itself`), 'Verdict'],
  rows: slices.map((figures) => {
    const { slice, rows, agreement, lowerBound, upstreamAgreement } = figures
    const { tone, words } = sliceStanding(figures, promiseOf(verdict))
    return [
      slice,
      whole(rows),
      percent(agreement),
      percent(lowerBound),
      percent(upstreamAgreement),
      { tone, text: words },
    ]
  }),
})

/** What each statistic is the probability of. */
const PROBABILITY_OF: Record<ConfidenceStatistic, string> = {
  sum: 'whole answer',
  min: 'each token',
  mean: 'a token on average',
  window: 'a token on average of any 8 in a row',
  first: 'first 16 tokens',
}

/** As a probability, of which a threshold is the logarithm. */
const thresholdText = ({ threshold, confidence }: ArmFigures): string =>
  threshold === null ? 'none' : `${PROBABILITY_OF[confidence]} ${percent(Math.exp(threshold))}`

const candidatesTable = ({ arms, arm: winner, verdict }: Verdict): FactTable => ({
  caption: 'Candidates that were trained; * won, and “agree” is if all were answered',
  columns: [
    'Candidate',
    ...numbers('Rows', 'Agree', 'Coverage', 'Of answered', 'At least'),
    'Threshold',
  ],
  rows: arms.map((figures, place) => {
    const { arm, rows, agreement, coverage, threshold } = figures
    const { agreementAnswered: observed, agreementAnsweredBound: bound } = figures
    return [
      place === winner && verdict === 'promote' ? `${arm} *` : arm,
      whole(rows),
      percent(agreement),
      percent(coverage),
      threshold === null ? '' : percent(observed),
      threshold === null ? '' : percent(bound),
      thresholdText(figures),
    ]
  }),
})

/** @param rows all held-out requests */
const reasonsTable = (
  caption: string,
  counts: Record<string, number>,
  rows: number
): FactTable => ({
  caption,
  columns: ['Reason', ...numbers('Requests', 'Share')],
  rows: Object.entries(counts)
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => [reason, whole(count), percent(count / rows)]),
})

export const fieldsTable = ({ rows, fields }: FieldFigures): FactTable => ({
  caption: `Fields that disagree, in ${counted(rows, 'held-out answer')}; the promise is about whole answers`,
  columns: ['Field', ...numbers('Disagree', 'Share', 'Above the threshold')],
  rows: fields.map((field) => [
    field.path,
    whole(field.rows),
    percent(field.rows / rows),
    whole(field.answered),
  ]),
})

export const otherFieldsText = ({ others }: FieldFigures): string | null =>
  others === 0 ? null : `${counted(others, 'further field')} disagree.`

/** Samples, parts, candidates and reasons, but for tables without a row. */
export const verdictTables = (verdict: ProvenVerdict, model: string): FactTable[] => {
  const judged = verdict.arms[verdict.arm]
  if (judged === undefined) return []
  return [
    samplesTable(judged.samples, model),
    slicesTable(judged.slices, verdict, model),
    candidatesTable(verdict),
    reasonsTable(
      'Held-out requests that always go to the upstream, by reason',
      judged.deferred,
      judged.rows
    ),
  ].filter(({ rows }) => rows.length > 0)
}
