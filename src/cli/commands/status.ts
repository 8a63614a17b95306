import { Command } from 'commander'
import type { Economics } from '../../savings/economics.ts'
import type { Store } from '../../store/store.ts'
import { readProgress } from '../../worker/internalize/progress.ts'
import { openStoreEconomics, withStore } from '../context.ts'
import { print, table, type OutputOptions } from '../output.ts'
import { PAYS, stateText } from '../state-text.ts'

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

type Collected = Awaited<ReturnType<typeof collect>>

const templatesText = ({ templates }: Collected): string => {
  if (templates.length === 0) return 'no template yet'
  return table([
    ['template', 'requests', 'answered', 'state', 'pays'],
    ...templates.map((row) => [
      row.version,
      row.requests,
      row.answered,
      row.internalizations.at(-1)?.state.name ?? 'watching',
      PAYS[row.economics.verdict],
    ]),
  ])
}

/** What a person should know or do about a template; nothing for most. */
const remarkOf = ({ version, internalizations }: Collected['templates'][number]): string[] => {
  const newest = internalizations.at(-1)
  if (newest === undefined) return []
  if (newest.state.name === 'approval')
    return [`waits for approval: promptintern promote ${version}`]
  const text = stateText(newest.state)
  return text === newest.state.name ? [] : [`${version} ${text}`]
}

const status = (options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const collected = await collect(store, await openStoreEconomics(store, config))
    if (options.json) return print(collected)
    const tenants = table([
      ['tenant', 'records', 'last seen'],
      ...collected.tenants.map(({ tenant, records, lastSeen }) => [tenant, records, lastSeen]),
    ])
    const remarks = collected.templates.flatMap(remarkOf)
    print(
      [
        templatesText(collected),
        ...(remarks.length === 0 ? [] : [remarks.join('\n')]),
        `tenants of the newest ${TENANT_RECORDS} records:\n${tenants}`,
      ].join('\n\n')
    )
  })

export const statusCommand = (): Command =>
  new Command('status')
    .description(
      'show templates with their internalizations, routes and savings, and recent tenants'
    )
    .option('--json', 'print JSON')
    .action(status)
