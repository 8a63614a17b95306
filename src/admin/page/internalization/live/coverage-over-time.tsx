/** How much of its requests a live route has answered over time, and what has changed that. */
import { capitalText } from '../../../../core/rollout/evidence-text.ts'
import { hasMoved, type CoverageStep } from '../../../../core/internalization/coverage-steps.ts'
import { minuteText } from '../../../../core/days.ts'
import { stageName } from '../../../../core/rollout/stages.ts'
import { gainText } from '../../../../lifecycle/rollout-report.ts'
import { percent } from '../../../../core/figure-text.ts'
import { Plot } from '../../parts/plot.tsx'

const SECOND_MS = 1000

const named = ({ cause, threshold, share }: CoverageStep): string => {
  // only a pause leaves a route without a share that had one
  if (cause === 'stage') return share === 0 ? 'paused' : stageName({ share })
  return cause === 'border' ? `border ${threshold.toPrecision(3)}` : cause
}

const markOf = (step: CoverageStep) => {
  const { at, cause, capital } = step
  const evidence = capital === null || cause === 'stage' ? '' : `: evidence ${capitalText(capital)}`
  return { name: named(step) + evidence, x: at / SECOND_MS }
}

const noteOf = (step: CoverageStep): string =>
  [named(step), step.why].filter((text) => text !== '').join(': ')

interface CoverageOverTimeProps {
  /** oldest first */
  steps: CoverageStep[]
  /** of the report, milliseconds since the epoch */
  until: number
}

/** Nothing where it answers what the proof said. */
export const CoverageOverTime = ({ steps, until }: CoverageOverTimeProps) => {
  const last = steps.at(-1)
  if (last === undefined || !hasMoved(steps)) return null
  const gained = gainText(steps)
  const places = [...steps, { ...last, at: Math.max(until, last.at) }]
  return (
    <>
      {gained !== null && <p>Since the proof: {gained}.</p>}
      <Plot
        title="Share of the requests that it is sure enough to answer"
        x={{ name: 'Time (UTC)', kind: 'time', values: places.map(({ at }) => at / SECOND_MS) }}
        y="share"
        series={[{ name: 'answered', values: places.map(({ coverage }) => coverage) }]}
        isStepped
        notes={{ name: 'Because of', values: steps.map(noteOf) }}
        marks={steps.slice(1).map(markOf)}
        format={percent}
        formatX={(seconds) => minuteText(seconds * SECOND_MS)}
      />
    </>
  )
}
