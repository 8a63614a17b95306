/** Figures and plots of a period. Pure. */
import {
  addHours,
  quantile,
  type LatencyHistogram,
  type TrafficHour,
} from '../../../core/log/traffic-hours.ts'
import { withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Figures, Time, type FigureProps } from '../parts/figures.tsx'
import { minuteText } from '../../../core/days.ts'
import { milliseconds, percent, usd, whole } from '../../../core/figure-text.ts'
import { Plot, type PlotProps } from '../parts/plot.tsx'
import { PERIOD_NAMES, PERIODS, type PeriodName } from '../../../core/cost/periods.ts'
import type { SavingsReport } from '../../../savings/savings.ts'
import type { LoadedOverview } from './load-overview.ts'

export const Periods = ({ current }: { current: PeriodName }) => (
  <nav aria-label="Period" class="pager">
    {PERIOD_NAMES.map((name) => (
      <a
        href={withQuery(BASE, { period: name })}
        aria-current={name === current ? 'true' : undefined}
      >
        {PERIODS[name].words}
      </a>
    ))}
  </nav>
)

const latency = (name: string, histogram: LatencyHistogram): FigureProps => {
  const [median, slow] = [quantile(histogram, 0.5), quantile(histogram, 0.95)]
  return {
    name,
    value: median === null ? 'none' : milliseconds(median),
    note:
      median === null || slow === null
        ? 'no answer yet'
        : `median; 95 % are below ${milliseconds(slow)}`,
  }
}

const figuresOf = (sum: TrafficHour, { from }: Pick<LoadedOverview, 'from'>): FigureProps[] => [
  {
    name: 'Requests',
    value: whole(sum.requests),
    note: (
      <>
        since <Time at={from} /> UTC
      </>
    ),
  },
  {
    name: 'Answered without the prompt',
    value: whole(sum.answered),
    note:
      `${percent(sum.answered / sum.requests)} of all, ` +
      `${sum.matched === 0 ? '0.0 %' : percent(sum.answered / sum.matched)} of those with a live route`,
  },
  {
    name: 'Prompt tokens saved',
    value: whole(sum.promptTokensSaved),
    note: `the upstream read ${whole(sum.promptTokens)}`,
  },
  latency('Latency of the small model', sum.latency.lora),
  latency('Latency of the upstream', sum.latency.upstream),
]

export const PeriodFigures = ({ overview }: { overview: LoadedOverview }) => {
  const [first, ...others] = overview.traffic
  if (first === undefined)
    return (
      <p class="empty">
        No request was logged in this time. Clients reach the upstream through this server at{' '}
        <code>/v1</code>.
      </p>
    )
  return <Figures figures={figuresOf(others.reduce(addHours, first), overview)} />
}

/** One for each point of the plots; null where no request came. */
const pointsOf = (
  { traffic, from }: LoadedOverview,
  period: PeriodName
): { at: number; hour: TrafficHour | null }[] => {
  const { bucketMs, buckets } = PERIODS[period]
  const byStart = new Map(traffic.map((hour) => [hour.hour, hour]))
  return Array.from({ length: buckets }, (_, index) => {
    const at = from + index * bucketMs
    return { at, hour: byStart.get(at) ?? null }
  })
}

type Value = (hour: TrafficHour) => number | null

/** Of the answers of one hour, or of a longer time. */
const grossOf =
  ({ perAnswerUsd }: SavingsReport): Value =>
  ({ asked }) =>
    asked.reduce((sum, { version, answered }) => sum + answered * (perAnswerUsd[version] ?? 0), 0)

export const Plots = ({ overview, period }: { overview: LoadedOverview; period: PeriodName }) => {
  const points = pointsOf(overview, period)
  const shared: Pick<PlotProps, 'x' | 'formatX'> = {
    x: { name: 'Time (UTC)', kind: 'time', values: points.map(({ at }) => at / 1000) },
    formatX: (seconds) => minuteText(seconds * 1000),
  }
  const counts = (value: Value): (number | null)[] =>
    points.map(({ hour }) => (hour === null ? 0 : value(hour)))
  const times = (of: 'lora' | 'upstream'): (number | null)[] =>
    points.map(({ hour }) => hour && quantile(hour.latency[of], 0.5))
  return (
    <div class="plots">
      <Plot
        title="Requests"
        {...shared}
        y="number"
        series={[
          { name: 'All', values: counts(({ requests }) => requests) },
          { name: 'Answered without the prompt', values: counts(({ answered }) => answered) },
        ]}
        format={whole}
      />
      <Plot
        title="Prompt tokens saved"
        {...shared}
        y="number"
        series={[{ name: 'Tokens', values: counts(({ promptTokensSaved }) => promptTokensSaved) }]}
        format={whole}
      />
      {overview.savings !== null && (
        <Plot
          title="US dollars saved, before costs"
          {...shared}
          y="usd"
          series={[{ name: 'Saved', values: counts(grossOf(overview.savings)) }]}
          format={usd}
        />
      )}
      <Plot
        title="Median latency"
        {...shared}
        y="ms"
        series={[
          { name: 'Small model', values: times('lora') },
          { name: 'Upstream', values: times('upstream') },
        ]}
        format={milliseconds}
      />
    </div>
  )
}
