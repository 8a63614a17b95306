/** Renders a verdict as tables. Verdicts of older versions have neither samples nor slices. */
import type { Repeats } from '../core/learn/dataset.ts'
import type { ArmFigures, Verdict } from '../core/gate/gate.ts'
import type { Population } from '../core/lifecycle/internalization.ts'
import { percent, table } from './output.ts'

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

const samplesTable = (samples: NonNullable<ArmFigures['samples']>): string =>
  table([
    ['sample', 'rows', 'answered', 'agreement', 'lower bound'],
    ...(
      [
        ['traffic', samples.traffic],
        ['unseen questions', samples.unseen],
      ] as const
    ).map(([name, { rows, answered, agreement, bound }]) => [
      name,
      rows,
      answered,
      percent(agreement),
      percent(bound),
    ]),
  ])

const slicesTable = (slices: NonNullable<ArmFigures['slices']>): string =>
  table([
    ['slice', 'rows', 'agreement', 'lower bound', 'upstream', ''],
    ...slices.map(({ slice, rows, agreement, lowerBound, upstreamAgreement, holds }) => [
      slice,
      rows,
      percent(agreement),
      lowerBound === undefined ? '' : percent(lowerBound),
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
  cutByHead,
  withoutPrompt,
}: Population): string =>
  [
    `${exchanges} exchanges in ${conversations} conversations; ` +
      Object.entries(outcomes)
        .map(([kind, count]) => `${count} ${kind}`)
        .join(', '),
    ...(repeats.questions === 0 ? [] : [repeatsText(repeats)]),
    ...(tooLong === 0 ? [] : [`${tooLong} training rows do not fit the base model's context`]),
    ...(cutByHead === undefined
      ? []
      : [
          `a label head reads ${cutByHead.tokens} tokens, and ${cutByHead.rows} training rows are longer`,
        ]),
    ...(withoutPrompt === null ? [] : [`every stage trains without the prompt: ${withoutPrompt}`]),
  ].join('\n')

/** The decision, every arm, and the samples and slices of the winning arm. */
export const verdictText = (verdict: Verdict): string => {
  const { samples, slices = [] } = verdict.arms[verdict.arm] ?? {}
  return [
    `${verdict.verdict}: ${verdict.reason}`,
    armsTable(verdict),
    ...(samples === undefined ? [] : [samplesTable(samples)]),
    ...(slices.length === 0 ? [] : [slicesTable(slices)]),
  ].join('\n\n')
}
