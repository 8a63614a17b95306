/** How the evidence of a live route came about. */
import { capitalText } from '../../../../core/rollout/evidence-text.ts'
import type { HistoryEntry } from '../../../../core/internalization/internalization.ts'
import type { EvidencePoint } from '../../../../core/rollout/evidence-path.ts'
import { stageName } from '../../../../core/rollout/stages.ts'
import { type RolloutReport } from '../../../../lifecycle/rollout-report.ts'
import { minuteText } from '../../../../core/days.ts'
import { percent, whole } from '../../../../core/figure-text.ts'
import { Plot } from '../../parts/plot.tsx'

export interface EvidenceProps {
  /** at least one */
  points: EvidencePoint[]
  report: RolloutReport
  history: HistoryEntry[]
}

const SECOND_MS = 1000

/** Conversations count when they are over, so their times may go back a little; a plot goes forward. */
const timesOf = (points: EvidencePoint[]): number[] => {
  let latest = 0
  return points.map(({ at }) => (latest = Math.max(latest, at)) / SECOND_MS)
}

const stageMarks = (history: HistoryEntry[]): { name: string; x: number }[] =>
  history.flatMap(({ at, to }) =>
    to.name === 'live' && to.stage !== undefined
      ? [{ name: stageName(to.stage), x: at / SECOND_MS }]
      : []
  )

/** The share of fewer conversations says nothing, and would set the scale. */
const LEAST_PAIRS = 10

const formatX = (seconds: number): string => minuteText(seconds * SECOND_MS)

const power = (logarithm: number): number => logarithm / Math.LN10

export const Evidence = ({ points, report, history }: EvidenceProps) => {
  const x = { name: 'Time (UTC)', kind: 'time', values: timesOf(points) } as const
  const { rollbackCapital, stepCapital, evidence } = report
  const stages = stageMarks(history)
  return (
    <div class="plots">
      <Plot
        title="Evidence: a decision is taken when its curve crosses the line"
        x={x}
        y="power"
        series={[
          {
            name: 'for a rollback',
            values: points.map(({ rollback }) => power(rollback)),
          },
          { name: 'for the next stage', values: points.map(({ step }) => power(step)) },
        ]}
        marks={[
          { name: `rollback at ${whole(rollbackCapital)}`, y: Math.log10(rollbackCapital) },
          { name: `next stage at ${whole(stepCapital)}`, y: Math.log10(stepCapital) },
          ...stages,
        ]}
        format={(value) => capitalText(value * Math.LN10)}
        formatX={formatX}
      />
      <Plot
        title="Share of the conversations that disagree"
        x={x}
        y="share"
        series={[
          {
            name: 'disagree',
            values: points.map(({ loss, pairs }) => (pairs < LEAST_PAIRS ? null : loss)),
          },
        ]}
        marks={[
          { name: `margin ${percent(evidence.margin)}`, y: evidence.margin },
          { name: `proven ${percent(evidence.proven)}`, y: evidence.proven },
        ]}
        format={percent}
        formatX={formatX}
      />
    </div>
  )
}
