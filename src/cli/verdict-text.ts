/** Renders a verdict and the log that it is of. */
import { checkerPromise } from '../core/gate/checker.ts'
import type { Repeats } from '../core/learn/dataset.ts'
import type { ArmFigures, Verdict } from '../core/gate/gate.ts'
import { ruleNames, type FieldRule } from '../core/answer/field-rules.ts'
import type { FieldFigures } from '../core/answer/field-figures.ts'
import { EARLY_PROMISE } from '../core/route/early.ts'
import type {
  InternalizationPlan,
  Population,
  ProvenVerdict,
} from '../core/internalization/internalization.ts'
import { dollars } from '../core/cost/economics.ts'
import { admissionText, judgePromiseText, lostAuditsText } from '../core/judge/promise.ts'
import { judgeCostText, type JudgeReading } from '../lifecycle/read-judge.ts'
import { visibleName } from '../visible-text.ts'
import { percent, table } from './output.ts'
import { compact } from '../core/lists.ts'

const armsTable = ({ arm: winner, arms }: Verdict): string =>
  table([
    ['arm', 'rows', 'agreement', 'coverage', 'of answered', 'bound', 'threshold'],
    ...arms.map((arm, index) => [
      `${arm.arm}${index === winner ? ' *' : ''}`,
      arm.rows,
      percent(arm.agreement),
      percent(arm.coverage),
      percent(arm.agreementAnswered),
      percent(arm.agreementAnsweredBound),
      arm.threshold === null ? 'none' : `${arm.confidence} ≥ ${arm.threshold.toFixed(4)}`,
    ]),
  ])

const samplesTable = (samples: ArmFigures['samples']): string =>
  table([
    ['sample', 'rows', 'answered', 'worth', 'agreement', 'lower bound'],
    ...(
      [
        ['traffic', samples.traffic],
        ['unseen questions', samples.unseen],
      ] as const
    ).map(([name, { rows, answered, effectiveRows, agreement, bound }]) => [
      name,
      rows,
      answered,
      Math.round(effectiveRows),
      percent(agreement),
      percent(bound),
    ]),
  ])

const slicesTable = (slices: ArmFigures['slices']): string =>
  table([
    ['slice', 'rows', 'agreement', 'lower bound', 'upstream', ''],
    ...slices.map(({ slice, rows, agreement, lowerBound, upstreamAgreement, holds }) => [
      slice,
      rows,
      percent(agreement),
      percent(lowerBound),
      percent(upstreamAgreement),
      holds ? 'holds' : 'fails',
    ]),
  ])

const repeatsText = ({ questions, changed, changedShare, examples }: Repeats): string =>
  changed === 0
    ? `${questions} questions were repeated, each with the same answer`
    : `${questions} questions were repeated; ${changed} of them (${percent(changedShare)} of the ` +
      `exchanges) got different answers, for example in record ${examples[0]}`

/** A summary of the log at the time when the rows were chosen. */
export const populationText = ({
  exchanges,
  conversations,
  outcomes,
  repeats,
  tooLong,
  otherParameters,
  cutByHead,
  withoutPrompt,
  modelsLeftOut = [],
}: Population): string =>
  compact([
    `${exchanges} exchanges in ${conversations} conversations; ` +
      Object.entries(outcomes)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(', '),
    repeats.questions !== 0 && repeatsText(repeats),
    tooLong !== 0 && `${tooLong} training rows do not fit the base model's context`,
    otherParameters !== 0 &&
      `${otherParameters} training rows have parameters that too few requests have`,
    cutByHead !== undefined &&
      `a label head reads ${cutByHead.tokens} tokens, and ${cutByHead.rows} training rows are longer`,
    withoutPrompt !== null && `every stage trains without the prompt: ${withoutPrompt}`,
    ...modelsLeftOut.map(visibleName),
  ]).join('\n')

/** None where every field is compared as it is, by equality, and in an answer that is held back. */
export const planRulesText = ({
  answers: { fields },
  judge,
  streamsEarly,
}: InternalizationPlan): string[] =>
  compact([
    fields !== undefined && `judged under rules for fields: ${ruleNames(fields).join(', ')}`,
    judge !== undefined && judgeCostText(judge),
    streamsEarly && `planned with STREAM_EARLY=true: ${EARLY_PROMISE}`,
  ])

/** Who vouches for written answers, why audits do not count, and what the judge has cost. */
export const judgedText = ({ says, audits }: JudgeReading, spentUsd: number): string =>
  [
    ...says,
    ...(audits === null ? [] : lostAuditsText(audits)),
    `the judge has cost ${dollars(spentUsd)} for this proof`,
  ].join('\n')

const changeText = ({ change, upstreamAgreement }: Verdict): string[] =>
  change === null
    ? [
        'compared with the log: without UPSTREAM_API_KEY, no allowance is made for contradictions of the upstream',
      ]
    : [
        `compared with new answers of the upstream, which was asked twice: it repeats ${percent(upstreamAgreement)} of its answers; ` +
          `for ${change.changed} of ${change.rows} requests, both new answers agree and differ from the log`,
      ]

const fieldsTable = ({ rows, answered, fields, others }: FieldFigures): string =>
  compact([
    `${rows} answers compared by field, ${answered} of them above the threshold`,
    fields.length > 0 &&
      table([
        ['field that disagrees', 'answers', 'above the threshold'],
        ...fields.map((field) => [visibleName(field.path), field.rows, field.answered]),
      ]),
    others !== 0 && `${others} further fields disagree`,
  ]).join('\n')

const judgeText = (
  { judge: admission, margin, verdict }: ProvenVerdict,
  fields: readonly FieldRule[] | undefined
): string[] => {
  if (admission === undefined) return []
  const says =
    verdict === 'promote'
      ? judgePromiseText({ admission, margin, fields })
      : admissionText(admission)
  return [says.join('\n')]
}

const streamingText = (winner: ArmFigures | undefined): string[] => {
  if (winner?.streamsEarly !== true) return []
  const found = Object.entries(winner.foundLate ?? {}).map(([reason, rows]) => `${rows} ${reason}`)
  const faults = found.length === 0 ? 'none has such a fault' : found.join(', ')
  return [`${EARLY_PROMISE} Of ${winner.rows} held-out answers: ${faults}.`]
}

/**
 * The decision, every arm, and the samples, slices and fields of the winning arm.
 * @param rules for fields, of the plan
 */
export const verdictText = (verdict: ProvenVerdict, rules?: readonly FieldRule[]): string => {
  const winner = verdict.arms[verdict.arm]
  return compact([
    `${verdict.verdict}: ${verdict.reason}`,
    armsTable(verdict),
    winner !== undefined && samplesTable(winner.samples),
    winner !== undefined && winner.slices.length > 0 && slicesTable(winner.slices),
    verdict.fields !== undefined && fieldsTable(verdict.fields),
    ...(verdict.checker === undefined ? [] : checkerPromise(verdict.checker, verdict.margin)),
    ...changeText(verdict),
    ...judgeText(verdict, rules),
    ...streamingText(winner),
  ]).join('\n\n')
}
