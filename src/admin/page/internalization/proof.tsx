/** The figures of a verdict: samples, parts of the traffic, candidates. */
import type { FieldFigures } from '../../../core/answer/field-figures.ts'
import type { ArmFigures, Verdict } from '../../../core/gate/gate.ts'
import { holdoutText } from '../../../core/internalization/holdout-time.ts'
import type {
  Internalization,
  InternalizationPlan,
  ProvenVerdict,
} from '../../../core/internalization/internalization.ts'
import { checkerPromise } from '../../../core/gate/checker.ts'
import type { SliceFigures } from '../../../core/gate/slices.ts'
import type { ConfidenceStatistic } from '../../../core/route/confidence.ts'
import { EARLY_PROMISE } from '../../../core/route/early.ts'
import { internalizationPath, withQuery } from '../address.ts'
import { FieldRules } from '../templates/field-rules.tsx'
import { Badge } from '../parts/figures.tsx'
import { counted, percent, whole } from '../parts/format.ts'
import { numbers, Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import { sayComparison } from './say/say-comparison.ts'
import { promiseOf, sliceStanding } from './say/say-promise.ts'
import { sayAnswers, sayPromise, sayWinner } from './say/say-verdict.ts'

interface ProofProps {
  row: Internalization
  verdict: ProvenVerdict
  /** the upstream's */
  model: string
}

interface SamplesProps extends Pick<ArmFigures, 'samples'> {
  verdict: Verdict
  model: string
}

const Samples = ({ samples, verdict: { verdict }, model }: SamplesProps) => (
  <Table
    caption={
      verdict === 'promote'
        ? 'The promise holds on traffic and on unseen questions'
        : 'The promise must hold on traffic and on unseen questions'
    }
    columns={[
      'Held-out sample',
      ...numbers(
        'Requests',
        'Answered',
        'Worth (effective sample size)',
        `Agree with ${model}`,
        'At least'
      ),
    ]}
    rows={(
      [
        ['traffic', samples.traffic],
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
  />
)

interface SlicesProps {
  slices: SliceFigures[]
  verdict: Verdict
  model: string
}

const Slices = ({ slices, verdict, model }: SlicesProps) =>
  slices.length === 0 ? null : (
    <Table
      caption="Parts of the traffic with at least 50 answers"
      columns={[
        'Part',
        ...numbers('Answers', 'Agree', 'At least', `${model} agrees with itself`),
        'Verdict',
      ]}
      rows={slices.map((figures) => {
        const { slice, rows, agreement, lowerBound, upstreamAgreement } = figures
        const { tone, words } = sliceStanding(figures, promiseOf(verdict))
        return [
          <Line text={slice} />,
          whole(rows),
          percent(agreement),
          percent(lowerBound),
          percent(upstreamAgreement),
          <Badge tone={tone}>{words}</Badge>,
        ]
      })}
    />
  )

/** What each statistic is the probability of. */
const PROBABILITY_OF: Record<ConfidenceStatistic, string> = {
  sum: 'whole answer',
  min: 'each token',
  mean: 'a token on average',
  window: 'a token on average of any 8 in a row',
  first: 'first 16 tokens',
}

/** A threshold is the logarithm of a probability. */
const thresholdText = ({ threshold, confidence }: ArmFigures): string => {
  if (threshold === null) return 'none'
  return `${PROBABILITY_OF[confidence]} ${percent(Math.exp(threshold))}`
}

const Candidates = ({ verdict: { arms, arm: winner, verdict } }: { verdict: Verdict }) => (
  <Table
    caption="Candidates that were trained"
    columns={[
      'Candidate',
      ...numbers(
        'Held-out requests',
        'Agree, if all were answered',
        'Coverage',
        'Agree, of the answered',
        'At least'
      ),
      'Threshold (probability)',
    ]}
    rows={arms.map((figures, place) => {
      const { arm, rows, agreement, coverage, threshold } = figures
      const { agreementAnswered: observed, agreementAnsweredBound: bound } = figures
      return [
        <>
          {arm} {place === winner && verdict === 'promote' && <Badge tone="good">winner</Badge>}
        </>,
        whole(rows),
        percent(agreement),
        percent(coverage),
        threshold === null ? '' : percent(observed),
        threshold === null ? '' : percent(bound),
        thresholdText(figures),
      ]
    })}
  />
)

interface ReasonsProps {
  caption: string
  counts: Record<string, number>
  /** of all held-out requests */
  rows: number
}

const Reasons = ({ caption, counts: found, rows }: ReasonsProps) => {
  const counts = Object.entries(found).toSorted(([, a], [, b]) => b - a)
  if (counts.length === 0) return null
  return (
    <Table
      caption={caption}
      columns={['Reason', ...numbers('Requests', 'Share')]}
      rows={counts.map(([reason, count]) => [
        <Line text={reason} />,
        whole(count),
        percent(count / rows),
      ])}
    />
  )
}

/** The mistakes in a field, for who may read them. */
const fieldPath = (id: string, field: string): string =>
  withQuery(`${internalizationPath(id)}/answers`, { field })

const Fields = ({ row, fields }: { row: Internalization; fields: FieldFigures }) => (
  <>
    <Table
      caption={`Fields that disagree, in ${counted(fields.rows, 'held-out answer')}; the promise is about whole answers`}
      columns={['Field', ...numbers('Disagree', 'Share', 'Above the threshold')]}
      rows={fields.fields.map(({ path, rows, answered }) => [
        <a href={fieldPath(row.id, path)}>
          <Line text={path} chars={80} />
        </a>,
        whole(rows),
        percent(rows / fields.rows),
        whole(answered),
      ])}
      empty="All fields of all compared answers agree."
    />
    {fields.others > 0 && <p>{counted(fields.others, 'further field')} disagree.</p>}
  </>
)

/** What the operator said before the plan. */
const Rules = ({ plan }: { plan: InternalizationPlan | null }) =>
  plan?.answers.fields === undefined ? null : (
    <FieldRules
      rules={plan.answers.fields}
      caption="Fields that are not compared, or not as they are, fixed when it was planned"
    />
  )

const heldOutSentence = (plan: InternalizationPlan): string => {
  const text = holdoutText(plan)
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}

/** What was proven, of the one that may go live, or does. */
const Promised = ({ row, verdict, model }: ProofProps) => {
  if (verdict.verdict === 'reject') return null
  const winner = sayWinner(row)
  return (
    <>
      <p>{sayAnswers(verdict, model, 'was proven to answer')}</p>
      <p>{sayPromise(verdict, model)}</p>
      {winner !== null && <p>{winner}</p>}
      {verdict.arms[verdict.arm]?.streamsEarly === true && <p>{EARLY_PROMISE}</p>}
      {verdict.checker !== undefined && (
        <p>{checkerPromise(verdict.checker, verdict.margin).join(' ')}</p>
      )}
    </>
  )
}

export const Proof = (props: ProofProps) => {
  const { row, verdict, model } = props
  const judged = verdict.arms[verdict.arm]
  if (judged === undefined) return null
  return (
    <section>
      <Promised {...props} />
      {row.plan !== null && <p>{heldOutSentence(row.plan)}</p>}
      <p>{sayComparison(verdict, model)}</p>
      <div class="stack">
        <Samples samples={judged.samples} verdict={verdict} model={model} />
        <Slices slices={judged.slices} verdict={verdict} model={model} />
        <Rules plan={row.plan} />
        {verdict.fields !== undefined && <Fields row={row} fields={verdict.fields} />}
        <Candidates verdict={verdict} />
        <Reasons
          caption="Held-out requests that always go to the upstream, by reason"
          counts={judged.deferred}
          rows={judged.rows}
        />
        <Reasons
          caption="Held-out answers whose fault is found after their beginning was sent: they disagree"
          counts={judged.foundLate ?? {}}
          rows={judged.rows}
        />
      </div>
    </section>
  )
}
