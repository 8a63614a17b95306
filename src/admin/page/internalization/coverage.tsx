/** The trade of a candidate: the more requests it answers, the fewer of its answers agree. */
import type { CurvePoint } from '../../../core/gate/coverage-curve.ts'
import type { ArmFigures, Verdict } from '../../../core/gate/gate.ts'
import { percent } from '../../../core/figure-text.ts'
import { Plot } from '../parts/plot.tsx'

export interface CoverageProps {
  /** of the winning arm, with rising coverage */
  points: CurvePoint[]
  verdict: Verdict
  winner: ArmFigures
  /** the upstream's */
  model: string
}

const marksOf = ({ upstreamAgreement, margin }: Verdict, { threshold, coverage }: ArmFigures) => [
  { name: `promise ${percent(upstreamAgreement - margin)}`, y: upstreamAgreement - margin },
  ...(threshold === null ? [] : [{ name: `chosen ${percent(coverage)}`, x: coverage }]),
]

export const Coverage = ({ points, verdict, winner, model }: CoverageProps) => (
  <>
    <p>
      Each point is a confidence threshold: the share of the requests that it answers, and the share
      of these answers that agrees with {model}. The 95 % band holds for one threshold at a time.{' '}
      {winner.threshold === null
        ? 'No threshold keeps the promise.'
        : 'The promise is proven for the chosen threshold.'}
    </p>
    <Plot
      title="Agreement by share of the requests answered"
      x={{ name: 'Answered', kind: 'share', values: points.map(({ coverage }) => coverage) }}
      y="share"
      series={[
        { name: 'at most', values: points.map(({ upper }) => upper), isBand: true },
        { name: 'at least', values: points.map(({ lower }) => lower), isBand: true },
        { name: 'agree', values: points.map(({ agreement }) => agreement) },
      ]}
      marks={marksOf(verdict, winner)}
      format={percent}
      formatX={percent}
    />
  </>
)
