/** What was spent and saved, by period, on one basis. Pure. */
import { PERIOD_NAMES, PERIODS, type PeriodName } from '../../../core/cost/periods.ts'
import { pricesText } from '../../../core/cost/price-list.ts'
import type { PeriodSavings, SavingsReport } from '../../../savings/savings.ts'
import { withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { counted, usd } from '../../../core/figure-text.ts'
import { Slow } from '../parts/slow.tsx'
import { numbers, Table } from '../parts/table.tsx'
import { compact } from '../../../core/lists.ts'

const ID = 'savings'

const COLUMNS = ['Period', ...numbers('Spent', 'Saved', 'Costs', 'Net saved')]

const NOT_KNOWN = 'not known'

const cellsOf = (words: string, { spentUsd, usd: saved }: PeriodSavings): string[] => [
  words,
  spentUsd === null ? NOT_KNOWN : usd(spentUsd),
  ...(saved === null
    ? [NOT_KNOWN, NOT_KNOWN, NOT_KNOWN]
    : [
        usd(saved.grossUsd),
        usd(saved.discardedUsd + saved.engineUsd + saved.trainingUsd),
        usd(saved.netUsd),
      ]),
]

/** What the figures leave out, and what would make it known. */
const remarksOf = (report: SavingsReport): string[] => {
  const { at, prices, engineUsdPerHour } = report
  const { all } = report.periods
  const unpriced = all.unpricedSpent + all.unpricedAnswers
  const dated = pricesText(prices, at)
  return compact([
    dated !== null && `US dollars at ${dated}.`,
    engineUsdPerHour === null && 'Engine hours count as free: ENGINE_USD_PER_HOUR is not set.',
    unpriced !== 0 &&
      `${counted(unpriced, 'answer')} without a price or token counts are counted as zero. Add missing prices to PRICES_FILE.`,
    all.auditsUsd > 0 &&
      `Audits cost ${usd(all.auditsUsd)} since the log began. “Spent” includes this.`,
    all.movesUsd > 0 &&
      `Moves to other models bought answers for ${usd(all.movesUsd)} since the log began. “Spent” does not include this.`,
  ])
}

const Worked = ({ report }: { report: SavingsReport }) => {
  const { periods } = report
  return (
    <>
      <Table
        caption="US dollars, for the tokens that the upstream counted"
        columns={COLUMNS}
        rows={[
          ...PERIOD_NAMES.map((name) => cellsOf(PERIODS[name].words, periods[name])),
          cellsOf('whole log', periods.all),
        ]}
      />
      {remarksOf(report).map((remark) => (
        <p>{remark}</p>
      ))}
    </>
  )
}

/** @param savings null: not worked out yet */
export const Savings = ({
  savings,
  period,
}: {
  savings: SavingsReport | null
  period: PeriodName
}) => (
  <section id={ID}>
    <h2>Spent and saved</h2>
    {savings === null ? (
      <Slow id={ID} address={withQuery(BASE, { period, savings: 1 })} verb="Calculate it now">
        This is calculated from the log.
      </Slow>
    ) : (
      <Worked report={savings} />
    )}
  </section>
)
