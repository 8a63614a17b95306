/** The live routes and what was rejected lately, a line each, with the way to a decision. Pure. */
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { sentenceOf } from '../../../core/reasons/say-reason.ts'
import { nameIn, type Names } from '../links.tsx'
import { withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Badge } from '../parts/figures.tsx'
import { counted, percent, whole } from '../../../core/figure-text.ts'
import { StateBadge } from '../parts/state.tsx'
import { stateText } from '../../../views/say-state.ts'
import { Line } from '../parts/text.tsx'
import { liveAgreement, standingOf } from '../../../views/say-verdict.ts'
import type { LoadedOverview, WatchedRoute } from './load-overview.ts'
import { Look } from './sentence.tsx'

const MAX_ROUTES = 5

const Kept = ({ report }: Pick<WatchedRoute, 'report'>) => {
  const agreement = liveAgreement(report?.evidence ?? null)
  if (agreement === null) return <small>no answers were compared yet</small>
  const { tone, words } = standingOf(agreement)
  return (
    <>
      <Badge tone={tone}>{words}</Badge>
      <small>
        {percent(agreement.observed)} agree, at least {percent(agreement.bound)}; promised{' '}
        {percent(agreement.promised)}
      </small>
    </>
  )
}

interface RoutesProps {
  overview: Pick<LoadedOverview, 'routes' | 'rejected' | 'moreRejected' | 'names'>
}

const Route = ({ route: { row, report }, names }: { route: WatchedRoute; names: Names }) => (
  <li>
    <Look id={row.id} words={nameIn(names, row.templateVersion)} />
    <StateBadge state={row.state} />
    <Kept report={report} />
    <Look id={row.id} words="Roll back" open="roll-back" />
  </li>
)

const Rejected = ({ row, names }: { row: Internalization; names: Names }) => (
  <li>
    <Look id={row.id} words={nameIn(names, row.templateVersion)} />
    <StateBadge state={row.state} />
    <small>
      <Line text={sentenceOf(stateText(row.state))} chars={200} />
    </small>
  </li>
)

const More = ({ count, state }: { count: number; state: string }) =>
  count <= 0 ? null : (
    <p>
      <a href={withQuery(`${BASE}/templates`, { state })}>{whole(count)} more</a>
    </p>
  )

export const Routes = ({ overview }: RoutesProps) => {
  const { routes, rejected, moreRejected, names } = overview
  return (
    <>
      {routes.length > 0 && (
        <section>
          <h2>{counted(routes.length, 'live route')}</h2>
          <ul class="lines">
            {routes.slice(0, MAX_ROUTES).map((route) => (
              <Route route={route} names={names} />
            ))}
          </ul>
          <More count={routes.length - MAX_ROUTES} state="live" />
        </section>
      )}
      {rejected.length > 0 && (
        <section>
          <h2>Rejected in the last 7 days</h2>
          <ul class="lines">
            {rejected.map((each) => (
              <Rejected row={each} names={names} />
            ))}
          </ul>
          <More count={moreRejected} state="rejected" />
        </section>
      )}
    </>
  )
}
