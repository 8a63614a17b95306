/** A live route by its newest report: stage, evidence, audits, and signs of change. */
import type { CoverageStep } from '../../../../core/internalization/coverage-steps.ts'
import type { FeedbackCounts } from '../../../../core/log/feedback.ts'
import { meanLoss } from '../../../../core/rollout/evidence.ts'
import type { RolloutSettings } from '../../../../core/rollout/stages.ts'
import type { WithheldPart } from '../../../../core/rollout/withheld.ts'
import { type RolloutProgress, type RolloutReport } from '../../../../lifecycle/rollout-report.ts'
import { shortPercent } from '../../../../core/figure-text.ts'
import {
  rolloutFacts,
  rolloutTables,
  sayDeprecation,
  sayLoss,
} from '../../../../views/say-rollout.ts'
import { Facts } from '../../parts/facts.tsx'
import { Badge, Figures, Notice, Time } from '../../parts/figures.tsx'
import { Interval } from '../../parts/interval.tsx'
import { CoverageOverTime } from './coverage-over-time.tsx'
import { Feedback } from './feedback.tsx'

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

export const LiveRoute = (props: LiveRouteProps) => {
  const { report, feedback, model, withheld, steps, isJudged, ...stages } = props
  const { progress } = stages
  const evidence = progress?.evidence ?? report.evidence
  const deprecation = sayDeprecation(report)
  const { pairs, interval, margin, proven } = evidence
  return (
    <section>
      <p>{sayLoss(evidence, model)}</p>
      <Stages {...stages} />
      {deprecation !== null && <Notice tone="waits">{deprecation}</Notice>}
      <div class="stack">
        <Figures figures={rolloutFacts(report, progress)} />
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
        {rolloutTables(report, { withheld, isJudged }).map((table) => (
          <Facts table={table} />
        ))}
        <Feedback figures={report.feedback} counts={feedback} />
      </div>
      <small>
        As of <Time at={report.at} />.
      </small>
    </section>
  )
}
