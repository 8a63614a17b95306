/** What a route has saved, and what it leaves a month. Pure. */
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import { Figures, type FigureProps } from '../parts/figures.tsx'
import { usd } from '../../../core/figure-text.ts'

export interface MoneyProps {
  /** of the template since the log began; null: it is not live */
  answered: number | null
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
      (coverage.source === 'measured' ? '' : ', at the proven coverage'),
  }
}

/** On the basis of all figures of money: what an answer saves today. */
const savedFigure = (answered: number, { perCallUsd }: TemplateEconomics): FigureProps => ({
  name: 'Saved so far',
  value: perCallUsd === null ? 'not known' : usd(answered * (perCallUsd.now - perCallUsd.ours)),
  note: 'by all routes of this prompt, before costs',
})

export const Money = ({ answered, economics }: MoneyProps) => (
  <Figures
    figures={[
      ...(answered === null ? [] : [savedFigure(answered, economics)]),
      monthFigure(economics),
    ]}
  />
)
