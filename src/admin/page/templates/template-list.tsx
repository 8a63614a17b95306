/** The table of templates with its filter. Pure. */
import { missingText } from '../../../core/internalization/missing-requests.ts'
import { shortId } from '../../../core/template/name.ts'
import type { Verdict } from '../../../core/cost/economics.ts'
import { templatePath, withQuery } from '../address.ts'
import { BASE } from '../env.ts'
import { Live } from '../layout.tsx'
import { Badge, Time } from '../parts/figures.tsx'
import type { Tone } from '../../../views/facts.ts'
import { ChoiceFilter, Filter, Pages, TextFilter } from '../parts/filter.tsx'
import { counted, percent, usd, whole } from '../../../core/figure-text.ts'
import { TemplateName } from '../links.tsx'
import { Slow } from '../parts/slow.tsx'
import { StateBadge } from '../parts/state.tsx'
import { STATE_WORDS } from '../../../views/say-state.ts'
import { numbers, Table } from '../parts/table.tsx'
import { Line } from '../parts/text.tsx'
import {
  WATCHED,
  type TemplateFilter,
  type TemplateRow,
  type TemplatesPage,
} from './load-templates.ts'

const PATH = `${BASE}/templates`
const ID = 'templates'
const TENANT_CHARS = 16

const PAYS: Record<Verdict, { tone: Tone; words: string }> = {
  pays: { tone: 'good', words: 'pays' },
  'does-not-pay': { tone: 'bad', words: 'does not pay' },
  unknown: { tone: 'plain', words: 'not known' },
}

/** The newest try was rejected, and nothing else is live: what it would save is nobody's. */
export const cannotGoLive = ({
  internalizations,
  liveInternalizationId,
}: Pick<TemplateRow, 'internalizations' | 'liveInternalizationId'>): boolean =>
  liveInternalizationId === null && internalizations.at(-1)?.state.name === 'rejected'

interface PaysProps {
  verdict: Verdict
  /** see `cannotGoLive` */
  isRejected: boolean
}

export const PaysBadge = ({ verdict, isRejected }: PaysProps) =>
  isRejected && verdict === 'pays' ? (
    <Badge tone="plain">cannot go live</Badge>
  ) : (
    <Badge tone={PAYS[verdict].tone}>{PAYS[verdict].words}</Badge>
  )

const paysCell = (row: TemplateRow) =>
  row.economics === null ? (
    'not calculated'
  ) : (
    <PaysBadge verdict={row.economics.verdict} isRejected={cannotGoLive(row)} />
  )

const monthCell = (row: TemplateRow) => {
  const { economics } = row
  if (economics === null || economics.monthly === null || cannotGoLive(row)) return ''
  const net = usd(economics.monthly.netUsd)
  return economics.coverage.source === 'assumed' ? (
    <>
      {net}
      <small>at most: not trained yet</small>
    </>
  ) : (
    net
  )
}

/** In the upstream's tokens where its calls were read, else as the engine's tokenizer counted them. */
const tokensCell = ({ economics, internalizations }: TemplateRow) => {
  if (economics !== null && economics.call !== null) return whole(economics.call.templateTokens)
  const plan = internalizations.findLast((row) => row.plan !== null)?.plan
  return plan === null || plan === undefined ? (
    ''
  ) : (
    <>
      {whole(plan.templateTokens)}
      <small>by the small model</small>
    </>
  )
}

const stateCell = (
  { internalizations, liveInternalizationId, stats }: TemplateRow,
  neededRequests: number
) => {
  const newest = internalizations.at(-1)
  const live = internalizations.find(({ id }) => id === liveInternalizationId)
  if (newest === undefined)
    return (
      <>
        <Badge tone="plain">watched</Badge>
        <small>{missingText(stats, neededRequests)}</small>
      </>
    )
  return (
    <>
      <StateBadge state={newest.state} />
      {live !== undefined && live !== newest && (
        <>
          {' '}
          <StateBadge state={live.state} />
        </>
      )}
    </>
  )
}

const coverageCell = ({ internalizations }: TemplateRow): string => {
  const verdict = internalizations.findLast((row) => row.verdict !== null)?.verdict
  const winner = verdict?.arms[verdict.arm]
  return winner === undefined ? '' : percent(winner.coverage)
}

const cellsOf = (
  row: TemplateRow,
  { neededRequests, mayOpen }: Pick<TemplateListProps, 'neededRequests' | 'mayOpen'>
) => {
  const { template, name, stats } = row
  return [
    <>
      {mayOpen ? (
        <TemplateName version={template.version} name={name} />
      ) : (
        <Line text={name} chars={60} />
      )}
      <small>{shortId(template.version)}</small>
      {mayOpen && template.movedFrom !== undefined && (
        <small>
          follows <a href={templatePath(template.movedFrom)}>{shortId(template.movedFrom)}</a>
        </small>
      )}
    </>,
    <>
      <Line text={template.model} chars={40} />
      <small>
        <Line text={template.tenant} chars={TENANT_CHARS} />
      </small>
    </>,
    whole(stats.requests),
    stats.lastSeen === null ? '' : <Time at={stats.lastSeen} />,
    tokensCell(row),
    stateCell(row, neededRequests),
    coverageCell(row),
    paysCell(row),
    monthCell(row),
  ]
}

const COLUMNS = [
  'Template',
  'Model and tenant',
  ...numbers('Requests'),
  'Last seen (UTC)',
  ...numbers('Prompt tokens'),
  'State',
  ...numbers('Coverage proven'),
  'Pays',
  ...numbers('Net a month'),
]

const STATES: [string, string][] = [[WATCHED, 'watched'], ...Object.entries(STATE_WORDS)]

const addressOf = ({ text, state, tenant }: TemplateFilter, page: number): string =>
  withQuery(PATH, { text, state, tenant, page: page === 1 ? undefined : page })

const Filters = ({ filter, tenants }: { filter: TemplateFilter; tenants: string[] }) => {
  const { text, state, tenant } = filter
  return (
    <Filter path={PATH} isFiltered={text + state + tenant !== ''}>
      <TextFilter name="text" label="Text, label, version or model" value={text} />
      <ChoiceFilter name="state" label="State" value={state} options={STATES} />
      <ChoiceFilter
        name="tenant"
        label="Tenant"
        value={tenant}
        options={tenants.map((each) => [each, each.slice(0, TENANT_CHARS)])}
      />
    </Filter>
  )
}

export interface TemplateListProps {
  filter: TemplateFilter
  shown: TemplatesPage
  /** whether the economics of all rows were worked out for this view */
  isAssessed: boolean
  /** that a template takes before it is internalized by itself */
  neededRequests: number
  /** whether the reader may see more of a template than this list */
  mayOpen: boolean
}

export const TemplateList = (props: TemplateListProps) => {
  const { filter, shown, isAssessed } = props
  const { rows, found, page, pages, tenants } = shown
  const missing = rows.filter(({ economics }) => economics === null).length
  const address = addressOf(filter, page)
  const isFiltered = addressOf(filter, 1) !== PATH
  return (
    <>
      <Filters filter={filter} tenants={tenants} />
      <Live id={ID}>
        <Table
          caption="Templates, those with the most requests first"
          columns={COLUMNS}
          rows={rows.map((row) => cellsOf(row, props))}
          empty={
            isFiltered
              ? 'No template matches the filter.'
              : 'No recurring prompt was found yet. Templates appear here when the log has enough requests that share one.'
          }
        />
        {missing > 0 && !isAssessed && (
          <Slow id={ID} address={withQuery(address, { economics: 1 })} verb="Calculate it now">
            Savings are not calculated yet for{' '}
            {missing === 1 ? 'one template' : `${missing} templates`}. The calculation reads the
            log.
          </Slow>
        )}
        <Pages
          said={`${counted(found, 'template')}, page ${page} of ${pages}`}
          page={page}
          pages={pages}
          addressOf={(other) => addressOf(filter, other)}
        />
      </Live>
    </>
  )
}
