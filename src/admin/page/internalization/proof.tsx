/** The figures of a verdict: samples, parts of the traffic, candidates. */
import type { ArmFigures, Verdict } from '../../../core/gate/gate.ts'
import { holdoutText } from '../../../core/internalization/holdout-time.ts'
import type { InternalizationPlan } from '../../../core/internalization/internalization.ts'
import type { SliceFigures } from '../../../core/gate/slices.ts'
import { Badge } from '../parts/figures.tsx'
import { percent, whole } from '../parts/format.ts'
import { Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { sayComparison } from './say/say-comparison.ts'

interface ProofProps {
  verdict: Verdict
  plan: InternalizationPlan | null
  /** the upstream's */
  model: string
}

const Samples = ({ samples, model }: Pick<ArmFigures, 'samples'> & { model: string }) => (
  <Table
    caption="The promise holds in traffic as it comes and for questions that training never saw"
    columns={[
      { name: 'Held-out sample' },
      { name: 'Requests', isNumber: true },
      { name: 'Answered', isNumber: true },
      { name: 'Worth so many single ones', isNumber: true },
      { name: `Agree with ${model}`, isNumber: true },
      { name: 'At least', isNumber: true },
    ]}
    rows={(
      [
        ['traffic as it comes', samples.traffic],
        ['unseen questions', samples.unseen],
      ] as const
    ).map(([name, { rows, answered, effectiveRows, agreement, bound }]) => [
      name,
      whole(rows),
      whole(answered),
      whole(Math.round(effectiveRows)),
      answered === 0 ? '' : percent(agreement),
      answered === 0 ? '' : percent(bound),
    ])}
    empty=""
  />
)

const Holds = ({ holds }: Pick<SliceFigures, 'holds'>) =>
  holds ? (
    <Badge tone="good">holds</Badge>
  ) : (
    <Badge tone="bad">fails: more than 10 points worse</Badge>
  )

const Slices = ({ slices, model }: { slices: SliceFigures[]; model: string }) =>
  slices.length === 0 ? null : (
    <Table
      caption="Parts of the traffic with at least 50 answers"
      columns={[
        { name: 'Part' },
        { name: 'Answers', isNumber: true },
        { name: 'Agree', isNumber: true },
        { name: 'At least', isNumber: true },
        { name: `${model} with itself`, isNumber: true },
        { name: 'Verdict' },
      ]}
      rows={slices.map(({ slice, rows, agreement, lowerBound, upstreamAgreement, holds }) => [
        <Line text={slice} />,
        whole(rows),
        percent(agreement),
        percent(lowerBound),
        percent(upstreamAgreement),
        <Holds holds={holds} />,
      ])}
      empty=""
    />
  )

/** A threshold is the logarithm of a probability. */
const thresholdText = ({ threshold, confidence }: ArmFigures): string => {
  if (threshold === null) return 'none'
  const probability = percent(Math.exp(threshold))
  return confidence === 'sum' ? `whole answer ${probability}` : `each token ${probability}`
}

const Candidates = ({ verdict: { arms, arm: winner } }: { verdict: Verdict }) => (
  <Table
    caption="Candidates that were trained"
    columns={[
      { name: 'Candidate' },
      { name: 'Held-out requests', isNumber: true },
      { name: 'Agree, if all were answered', isNumber: true },
      { name: 'Answers', isNumber: true },
      { name: 'Of these agree', isNumber: true },
      { name: 'At least', isNumber: true },
      { name: 'Answers from a probability of' },
    ]}
    rows={arms.map((figures, place) => {
      const { arm, rows, agreement, coverage, threshold } = figures
      const { agreementAnswered: observed, agreementAnsweredBound: bound } = figures
      return [
        <>
          {arm} {place === winner && <Badge tone="good">winner</Badge>}
        </>,
        whole(rows),
        percent(agreement),
        percent(coverage),
        threshold === null ? '' : percent(observed),
        threshold === null ? '' : percent(bound),
        thresholdText(figures),
      ]
    })}
    empty=""
  />
)

const Deferred = ({ deferred, rows }: ArmFigures) => {
  const counts = Object.entries(deferred).toSorted(([, a], [, b]) => b - a)
  if (counts.length === 0) return null
  return (
    <Table
      caption="Held-out requests that it never answers, by their form"
      columns={[
        { name: 'Reason' },
        { name: 'Requests', isNumber: true },
        { name: 'Share', isNumber: true },
      ]}
      rows={counts.map(([reason, count]) => [
        <Line text={reason} />,
        whole(count),
        percent(count / rows),
      ])}
      empty=""
    />
  )
}

const heldOutSentence = (plan: InternalizationPlan): string => {
  const text = holdoutText(plan)
  return `${text[0]!.toUpperCase()}${text.slice(1)}.`
}

export const Proof = ({ verdict, plan, model }: ProofProps) => {
  const winner = verdict.arms[verdict.arm]
  if (winner === undefined) return null
  return (
    <section>
      <h2>Proof</h2>
      {plan !== null && <p>{heldOutSentence(plan)}</p>}
      <p>{sayComparison(verdict, model)}</p>
      <div class="stack">
        <Samples samples={winner.samples} model={model} />
        <Slices slices={winner.slices} model={model} />
        <Candidates verdict={verdict} />
        <Deferred {...winner} />
      </div>
    </section>
  )
}
