/** The overview: what to decide, what is wrong, and what the loras saved. */
import { isFull, type AddView } from '../env.ts'
import { Live } from '../layout.tsx'
import { originOf } from '../address.ts'
import { plainText, show } from '../show.tsx'
import { Attention } from './attention.tsx'
import { Checklist, loadChecklist } from './checklist.tsx'
import { PERIOD_NAMES, PERIODS, type PeriodName } from '../../../core/cost/periods.ts'
import { loadOverview } from './load-overview.ts'
import { FailedShare } from './health.tsx'
import { PeriodFigures, Periods, Plots } from './period.tsx'
import { Routes } from './routes.tsx'
import { ServerSettings } from './settings.tsx'
import { Fold } from '../parts/fold.tsx'
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
        {isFull(context) && (
          <>
            <Checklist steps={await loadChecklist(deps, overview, originOf(context))} />
            <Live id="attention">
              <Attention overview={overview} />
            </Live>
            <Live id="routes">
              <Routes overview={overview} />
            </Live>
          </>
        )}
        <Savings savings={overview.savings} period={period} />
        <h2>The last {PERIODS[period].words}</h2>
        <Periods current={period} />
        <Live id="period">
          <FailedShare overview={overview} />
          <PeriodFigures overview={overview} />
        </Live>
        {overview.traffic.length > 0 && (
          <Fold name="Over time" tells="requests, tokens, dollars and latency as plots">
            <Plots overview={overview} period={period} />
          </Fold>
        )}
        {isFull(context) && <ServerSettings settings={deps.settings()} />}
      </>
    )
    return show(context, { title: 'Overview', section: '', content })
  })

  app.get('/openapi.json', (context) =>
    plainText(context, JSON.stringify(deps.apiDocument(), null, 2), 'openapi.json')
  )
}
