/** The overview: what to decide, what is wrong, and what the loras saved. */
import type { AddView } from '../env.ts'
import { Live } from '../layout.tsx'
import { show } from '../show.tsx'
import { Attention } from './attention.tsx'
import { PERIOD_NAMES, PERIODS, type PeriodName } from '../../../core/cost/periods.ts'
import { loadOverview } from './load-overview.ts'
import { PeriodFigures, Periods, Plots } from './period.tsx'
import { Savings } from './savings.tsx'

const periodOf = (text: string | undefined): PeriodName =>
  PERIOD_NAMES.find((name) => name === text) ?? 'week'

export const addOverview: AddView = (app, deps) => {
  app.get('/', async (context) => {
    const period = periodOf(context.req.query('period'))
    const isWorkedOut = context.req.query('savings') !== undefined
    const overview = await loadOverview(deps, period, isWorkedOut)
    const content = (
      <>
        <Live id="attention">
          <Attention overview={overview} />
        </Live>
        <h2>The last {PERIODS[period].words}</h2>
        <Periods current={period} />
        <Live id="period">
          <PeriodFigures overview={overview} />
        </Live>
        <Savings savings={overview.savings} period={period} />
        <Plots overview={overview} period={period} />
      </>
    )
    return show(context, { title: 'Overview', section: '', content })
  })
}
