/** A live route by its newest report: stage, evidence, audits, and signs of change. */
import { capitalText } from '../../../../core/rollout/evidence-text.ts'
import type { CoverageStep } from '../../../../core/internalization/coverage-steps.ts'
import { INDICATORS, type Indicator } from '../../../../core/rollout/indicators.ts'
import { meanLoss } from '../../../../core/rollout/evidence.ts'
import { PAIR_OUTCOMES } from '../../../../core/rollout/pair.ts'
import type { EvidenceFigures, RolloutSettings } from '../../../../core/rollout/stages.ts'
import type { FeedbackCounts } from '../../../../core/log/feedback.ts'
import { type RolloutProgress, type RolloutReport } from '../../../../lifecycle/rollout-report.ts'
import type { WithheldPart } from '../../../../core/rollout/withheld.ts'
import { outcomeName } from '../../pairs/revealed-pair.tsx'
import { Badge, Figures, Notice, Time, type FigureProps } from '../../parts/figures.tsx'
import { percent, shortPercent, usd, whole } from '../../../../views/format.ts'
import { Interval } from '../../parts/interval.tsx'
import { numbers, Table } from '../../parts/table.tsx'
import { Line } from '../../parts/text.tsx'
import { sayLoss } from '../say/say-rollout.ts'
import { CoverageOverTime } from './coverage-over-time.tsx'
import { Feedback } from './feedback.tsx'

const capital = (value: number): string => whole(value)

interface StagesProps {
  rollout: Pick<RolloutSettings, 'stages'>
  /** null after the route has ended */
  progress: RolloutProgress | null
}

const Stages = ({ rollout: { stages }, progress }: StagesProps) => {
  if (progress === null) return null
  const present = progress.stage.share
  const shares = [...new Set([...stages, present])].toSorted((a, b) => a - b)
  return (
    <ol class="stages">
      {shares.map((share) => (
        <li aria-current={share === present ? 'step' : undefined}>
          {share === present ? (
            <Badge tone="plain">{shortPercent(share)} of the requests, now</Badge>
          ) : (
            shortPercent(share)
          )}
        </li>
      ))}
    </ol>
  )
}

const evidenceFigure = (name: string, logarithm: number, needed: number): FigureProps => ({
  name,
  value: capitalText(logarithm),
  note: `decides at ${capital(needed)}`,
})

const lossNote = (evidence: EvidenceFigures): string => {
  const { pairs, losses, credits } = evidence
  const found = `${Number(losses.toFixed(1))} disagree`
  const credited = credits === 0 ? '' : `, ${Number(credits.toFixed(1))} credits`
  return found + credited + (pairs === 0 ? '' : `, ${percent(meanLoss(evidence))}`)
}

const borderFigures = (border: RolloutReport['border'], stepCapital: number): FigureProps[] => {
  const { coverage, next } = border
  if (coverage === null) return []
  return [
    {
      name: 'Sure enough to answer',
      value: percent(coverage),
      note:
        next === null
          ? 'of the audited requests'
          : `next ${percent(next.coverage)}: evidence ${capitalText(next.evidence.capital)} of ${capital(stepCapital)}`,
    },
  ]
}

const figuresOf = (
  evidence: EvidenceFigures,
  { rollbackCapital, stepCapital, border, ...audits }: RolloutReport,
  hasNext: boolean
): FigureProps[] => [
  {
    name: 'Conversations compared',
    value: whole(evidence.pairs),
    note: lossNote(evidence),
  },
  evidenceFigure('Evidence for a rollback', evidence.rollback, rollbackCapital),
  ...(hasNext ? [evidenceFigure('Evidence for the next stage', evidence.step, stepCapital)] : []),
  evidenceFigure('Evidence that the traffic changed', evidence.drift, rollbackCapital),
  ...borderFigures(border, stepCapital),
  ...auditFigures(audits),
]

const auditFigures = ({
  waiting,
  dropped,
  spentUsdToday,
  auditUsdPerDay,
  auditPart,
}: Pick<
  RolloutReport,
  'waiting' | 'dropped' | 'spentUsdToday' | 'auditUsdPerDay' | 'auditPart'
>): FigureProps[] => [
  {
    name: 'Audits that wait',
    value: whole(waiting),
    note: dropped === 0 ? 'for the small model’s answer' : `${whole(dropped)} were dropped`,
  },
  {
    name: 'Audits today, all templates',
    value: usd(spentUsdToday),
    note: auditUsdPerDay === null ? 'no limit' : `of ${usd(auditUsdPerDay)} a day`,
  },
  ...(auditPart < 1
    ? [
        {
          name: 'Share of the audits carried out',
          value: percent(auditPart),
          note: 'reduced by the audit budget or a busy engine',
        },
      ]
    : []),
]

const Outcomes = ({ outcomes, isJudged }: RolloutReport & { isJudged: boolean }) => (
  <Table
    caption="Audited requests by outcome"
    columns={['The small model’s answer', ...numbers('Requests')]}
    rows={PAIR_OUTCOMES.map((outcome) => [
      outcomeName(outcome, isJudged),
      whole(outcomes[outcome]),
    ])}
  />
)

const SIGNS: Record<Indicator, string> = {
  fallbacks: 'requests that it would not answer',
  'low-confidence': 'answers with a confidence below the median of the proof',
  'long-questions': 'questions longer than the 90th percentile of the proof',
  'new-labels': 'answers of the upstream with a new label',
}

const Sign = ({ hasRisen, isWithin }: { hasRisen: boolean; isWithin: boolean }) => {
  if (hasRisen) return <Badge tone="bad">has risen</Badge>
  return isWithin ? (
    <Badge tone="good">as in the proof</Badge>
  ) : (
    <Badge tone="waits">not shown to have risen</Badge>
  )
}

const Indicators = ({ indicators, rollbackCapital }: RolloutReport) => {
  if (indicators.length === 0) return null
  const deciding = rollbackCapital * INDICATORS.length
  return (
    <Table
      caption="Signs that the questions have changed since the proof"
      columns={[
        'Share of the audited requests',
        ...numbers(
          'Now',
          'In the proof',
          'Expected at most',
          `Evidence (decides at ${capital(deciding)})`
        ),
        'Verdict',
      ]}
      rows={indicators.map(({ indicator, seen, requests, share, bound, evidence }) => [
        SIGNS[indicator],
        requests === 0 ? '' : percent(seen / requests),
        percent(share),
        percent(bound),
        capitalText(evidence),
        <Sign
          hasRisen={evidence >= Math.log(deciding)}
          isWithin={requests > 0 && seen / requests <= bound}
        />,
      ])}
    />
  )
}

const UpstreamVersions = ({ upstreamVersions }: RolloutReport) =>
  upstreamVersions.length === 0 ? null : (
    <Table
      caption="Models that answered for the upstream, the newest first"
      columns={['Model', 'First seen', 'Last seen', ...numbers('Compared', 'Disagree')]}
      rows={upstreamVersions
        .toReversed()
        .map(({ name, from, to, ...counts }) => [
          <Line text={name} />,
          <Time at={from} />,
          <Time at={to} />,
          whole(counts.pairs),
          counts.pairs === 0 ? '' : percent(meanLoss(counts)),
        ])}
    />
  )

interface LiveRouteProps extends StagesProps {
  report: RolloutReport
  feedback: FeedbackCounts | null
  /** the upstream's */
  model: string
  withheld: readonly WithheldPart[]
  steps: CoverageStep[]
  /** whether a judge compares the answers */
  isJudged: boolean
}

const Withheld = ({ withheld }: Pick<LiveRouteProps, 'withheld'>) =>
  withheld.length === 0 ? null : (
    <Table
      caption="What it no longer answers, because it was wrong too often"
      columns={['Part', ...numbers('Compared', 'Disagree')]}
      rows={withheld.map(({ kind, name, ...counts }) => [
        <Line text={kind === 'answer' ? name : `requests: ${name}`} />,
        whole(counts.pairs),
        percent(meanLoss(counts)),
      ])}
    />
  )

export const LiveRoute = (props: LiveRouteProps) => {
  const { report, feedback, model, withheld, steps, isJudged, ...stages } = props
  const { progress } = stages
  const evidence = progress?.evidence ?? report.evidence
  const { pairs, interval, margin, proven } = evidence
  return (
    <section>
      <p>{sayLoss(evidence, model)}</p>
      <Stages {...stages} />
      {report.deprecatedOn !== null && (
        <Notice tone="waits">
          The provider retires the upstream’s model on {report.deprecatedOn}.
        </Notice>
      )}
      <div class="stack">
        <Figures figures={figuresOf(evidence, report, (progress?.next ?? null) !== null)} />
        <Interval
          name="Disagreement with the upstream"
          interval={interval}
          value={pairs === 0 ? null : meanLoss(evidence)}
          limits={[
            { name: 'proven at most', at: proven },
            { name: 'margin', at: margin },
          ]}
        />
        <CoverageOverTime steps={steps} until={report.at} />
        <Withheld withheld={withheld} />
        <Outcomes {...report} isJudged={isJudged} />
        <Indicators {...report} />
        <UpstreamVersions {...report} />
        <Feedback figures={report.feedback} counts={feedback} capital={report.rollbackCapital} />
      </div>
      <small>
        As of <Time at={report.at} />.
      </small>
    </section>
  )
}
