/** What a route has saved, and what it leaves a month. Pure. */
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import { Figures, type FigureProps } from '../parts/figures.tsx'
import { usd } from '../parts/format.ts'

export interface MoneyProps {
  /** of the template since the log began, US dollars before costs; null: it was never live */
  savedUsd: number | null
  economics: TemplateEconomics
}

const monthFigure = ({ monthly, coverage, reason }: TemplateEconomics): FigureProps => {
  if (monthly === null) return { name: 'Net a month', value: 'not known', note: reason }
  const costs = monthly.discardedUsd + monthly.engineUsd + monthly.trainingUsd
  return {
    name: 'Net a month',
    value: usd(monthly.netUsd),
    note:
      `after ${usd(costs)} of costs` +
      (coverage.source === 'measured' ? '' : ', if it answers what was proven'),
  }
}

export const Money = ({ savedUsd, economics }: MoneyProps) => (
  <Figures
    figures={[
      ...(savedUsd === null
        ? []
        : [
            {
              name: 'Saved so far',
              value: usd(savedUsd),
              note: 'by all routes of this prompt, before costs',
            },
          ]),
      monthFigure(economics),
    ]}
  />
)
