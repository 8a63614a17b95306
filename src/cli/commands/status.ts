import { Command } from 'commander'
import type { ArmFigures } from '../../core/gate/gate.ts'
import type { Verdict } from '../../core/cost/economics.ts'
import type { Internalization } from '../../core/lifecycle/internalization.ts'
import type { Economics } from '../../savings/economics.ts'
import type { Store } from '../../store/store.ts'
import { readProgress } from '../../worker/internalize/progress.ts'
import { openStoreEconomics, withStore } from '../context.ts'
import { percent, print, table, type OutputOptions } from '../output.ts'

const stateText = (state: Internalization['state']): string => {
  switch (state.name) {
    case 'training':
      return `training (arm ${state.arm}, stage ${state.stage})`
    case 'rejected':
    case 'retired':
      return `${state.name}: ${state.reason}`
    case 'failed':
      return `failed: ${state.cause}`
    default:
      return state.name
  }
}

/** Agreement of the answered rows with its lower bound, and the slice with the least agreement. */
const agreementText = ({
  threshold,
  agreementAnswered,
  agreementAnsweredBound,
  slices = [],
}: ArmFigures): string => {
  if (threshold === null) return ''
  const own = `${percent(agreementAnswered)} (≥ ${percent(agreementAnsweredBound)})`
  const [worst] = slices.toSorted((a, b) => a.agreement - b.agreement)
  return worst === undefined
    ? own
    : `${own}, ${worst.slice}: ${percent(worst.agreement)} of ${worst.rows}`
}

const PAYS: Record<Verdict, string> = { pays: 'yes', 'does-not-pay': 'no', unknown: 'unknown' }

/** number of the newest records from which the tenants are listed */
const TENANT_RECORDS = 1000

interface TenantRow {
  tenant: string
  records: number
  lastSeen: string
}

/** The recent tenants, as CAPTURE_TENANTS, CAPTURE_EXCEPT and `forget` take them. */
const recentTenants = async (store: Store): Promise<TenantRow[]> => {
  const newest = await store.records.list({ order: 'desc', limit: TENANT_RECORDS, bodies: false })
  const tenants = new Map<string, TenantRow>()
  for (const { tenant, at } of newest) {
    const lastSeen = new Date(at).toISOString()
    const row = tenants.get(tenant) ?? { tenant, records: 0, lastSeen }
    tenants.set(tenant, { ...row, records: row.records + 1 })
  }
  return [...tenants.values()]
}

const collect = async (store: Store, economics: Economics) => {
  const internalizations = await store.internalizations.list()
  const routes = await store.routes.list()
  const listed = await store.templates.list()
  const assessed = await economics.assess(listed)
  const templates = await Promise.all(
    listed.map(async (template) => ({
      version: template.version,
      tenant: template.tenant,
      model: template.model,
      ...(await store.templates.stats(template.version)),
      economics: assessed.get(template.version)!,
      internalizations: internalizations
        .filter((row) => row.templateVersion === template.version)
        .map((row) => ({ id: row.id, state: row.state, verdict: row.verdict })),
      route: routes.find((route) => route.template.version === template.version) ?? null,
    }))
  )
  const progress = await Promise.all(
    internalizations
      .filter((row) => row.state.name === 'training')
      .map((row) => readProgress(store, row.id))
  )
  return {
    templates,
    progress: progress.filter((row) => row !== null),
    tenants: await recentTenants(store),
  }
}

const status = (options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const collected = await collect(store, await openStoreEconomics(store, config))
    if (options.json) return print(collected)
    const { templates, tenants } = collected
    print(
      table([
        [
          'template',
          'tenant',
          'requests',
          'answered',
          'tokens saved',
          'state',
          'coverage',
          'agreement',
          'pays',
        ],
        ...templates.map((row) => {
          const newest = row.internalizations.at(-1)
          const winner = newest?.verdict?.arms[newest.verdict.arm]
          return [
            row.version,
            row.tenant,
            row.requests,
            row.answered,
            row.promptTokensSaved,
            newest === undefined ? 'watching' : stateText(newest.state),
            winner === undefined ? '' : percent(winner.coverage),
            winner === undefined ? '' : agreementText(winner),
            `${PAYS[row.economics.verdict]}: ${row.economics.reason}`,
          ]
        }),
      ])
    )
    print('')
    print(
      table([
        ['tenant', `of the newest ${TENANT_RECORDS} records`, 'last seen'],
        ...tenants.map(({ tenant, records, lastSeen }) => [tenant, records, lastSeen]),
      ])
    )
  })

export const statusCommand = (): Command =>
  new Command('status')
    .description(
      'show templates with their internalizations, routes and savings, and recent tenants'
    )
    .option('--json', 'print JSON')
    .action(status)
