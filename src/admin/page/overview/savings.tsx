/** What the small models saved since the log began, less their costs. Pure. */
import type { SavingsReport } from '../../../savings/savings.ts'
import { withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Figures, type FigureProps } from '../parts/figures.tsx'
import { counted, usd } from '../parts/format.ts'
import { Slow } from '../parts/slow.tsx'
import type { PeriodName } from './load-overview.ts'

const ID = 'savings'

const figuresOf = ({ usd: saved, ...report }: SavingsReport): FigureProps[] => {
  if (saved === null) return []
  const engine =
    report.engineUsdPerHour === null
      ? 'engine hours cost nothing: ENGINE_USD_PER_HOUR is not set'
      : `${usd(saved.engineUsd)} engine`
  return [
    { name: 'Net saved', value: usd(saved.netUsd), note: 'after all costs' },
    {
      name: 'By the cheaper model',
      value: usd(saved.byModelUsd),
      note: 'if it read the whole prompt',
    },
    {
      name: 'By the removed prompt',
      value: usd(saved.byPromptUsd),
      note: 'in addition',
    },
    {
      name: 'Costs',
      value: usd(saved.discardedUsd + saved.engineUsd + saved.trainingUsd),
      note: `${engine}, ${usd(saved.trainingUsd)} training, ${usd(saved.discardedUsd)} answers that are not used`,
    },
    { name: 'Audits', value: usd(report.auditsUsd), note: 'paid to the upstream, not deducted' },
  ]
}

const Worked = ({ report }: { report: SavingsReport }) => (
  <>
    {report.usd === null ? (
      <p>
        No answer of a small model has a price yet, so no net saving is known. PRICES_FILE has the
        prices.
      </p>
    ) : (
      <Figures figures={figuresOf(report)} />
    )}
    {report.unpricedAnswers > 0 && (
      <p>
        {counted(report.unpricedAnswers, 'answer')} of small models without a price count as saving
        nothing.
      </p>
    )}
  </>
)

/** @param savings null: not worked out yet */
export const Savings = ({
  savings,
  period,
}: {
  savings: SavingsReport | null
  period: PeriodName
}) => (
  <section id={ID}>
    <h2>Net savings since the log began</h2>
    {savings === null ? (
      <Slow id={ID} address={withQuery(BASE, { period, savings: 1 })} verb="Work them out now">
        They must be read from the log.
      </Slow>
    ) : (
      <Worked report={savings} />
    )}
  </section>
)
