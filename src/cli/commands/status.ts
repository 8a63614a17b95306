import { reasonText } from '../../core/reasons/say-reason.ts'
import { Command } from 'commander'
import { loadPrices } from '../../config/config-files.ts'
import {
  retirementsOfTemplates,
  retirementText,
  retiresByPrice,
  type RetiresOn,
  type Retirement,
} from '../../core/cost/retirements.ts'
import { minuteText } from '../../core/days.ts'
import { counted } from '../../core/figure-text.ts'
import { followersOf } from '../../core/internalization/followers.ts'
import type { RolloutSettings } from '../../core/rollout/stages.ts'
import { judgeCostText } from '../../lifecycle/read-judge.ts'
import type { Store } from '../../store/store.ts'
import { readProgress } from '../../worker/internalize/progress.ts'
import { openStoreEconomics, withStore } from '../context.ts'
import { print, table, type OutputOptions } from '../output.ts'
import { followersText, readTitles, type Titles } from '../titles.ts'
import { visibleName } from '../../visible-text.ts'
import { PAYS, stateText } from '../state-text.ts'
import { rolloutProgress, rolloutReports } from '../../lifecycle/rollout-report.ts'
import { stateWords } from '../../views/say-state.ts'
import { internalizationSummary } from '../../views/internalization.ts'
import { templateSummaries, type ViewDeps } from '../../views/template.ts'

/** number of the newest records from which the tenants are listed */
const TENANT_RECORDS = 1000

interface TenantRow {
  tenant: string
  records: number
  lastSeen: string
}

/** The recent tenants, as CAPTURE_TENANTS and `forget` take them. */
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

const collect = async ({ store, economics }: ViewDeps, retiresOn: RetiresOn) => {
  const internalizations = await store.internalizations.list()
  const listed = await store.templates.list()
  const summaries = await templateSummaries({ store, economics }, listed)
  const reports = new Map(await rolloutReports(store))
  const followers = followersOf(listed, internalizations)
  const templates = summaries.map((summary) => ({
    ...summary,
    followers: followers.get(summary.version) ?? [],
    internalizations: internalizations
      .filter((row) => row.templateVersion === summary.version)
      .map((row) => ({
        ...internalizationSummary(row),
        modelsLeftOut: row.plan?.population.modelsLeftOut ?? [],
        // before the verdict: what its proof will cost
        judge: row.verdict === null ? (row.plan?.judge ?? null) : null,
        rollout: row.state.name === 'live' ? (reports.get(row.id) ?? null) : null,
      })),
  }))
  const progress = await Promise.all(
    internalizations
      .filter((row) => row.state.name === 'training')
      .map((row) => readProgress(store, row.id))
  )
  const retirements = retirementsOfTemplates(listed, internalizations, retiresOn, Date.now())
  return {
    templates,
    retirements: retirements.open,
    followedRetirements: retirements.followed,
    progress: progress.filter((row) => row !== null),
    tenants: await recentTenants(store),
  }
}

type Collected = Awaited<ReturnType<typeof collect>>
type CollectedTemplate = Collected['templates'][number]

const newestState = ({ internalizations }: CollectedTemplate): string => {
  const newest = internalizations.at(-1)
  return newest === undefined ? 'watching' : stateWords(newest.state)
}

const templatesText = ({ templates }: Collected, titles: Titles): string => {
  if (templates.length === 0) return 'no template yet'
  return table(
    [
      ['template', 'name', 'requests', 'answered', 'state', 'pays'],
      ...templates.map((row) => [
        titles.id(row.version),
        row.name,
        row.stats.requests,
        row.stats.answered,
        newestState(row),
        PAYS[row.economics.verdict],
      ]),
    ],
    1
  )
}

/** What a person should know or do about a template; nothing for most. */
const remarksOf = (
  { version, internalizations }: CollectedTemplate,
  titles: Titles,
  settings: RolloutSettings
): string[] => {
  const [id, title] = [titles.id(version), titles.title(version)]
  const newest = internalizations.at(-1)
  if (newest === undefined) return []
  const leftOut = newest.modelsLeftOut.map((why) => `${title}: ${visibleName(reasonText(why))}`)
  const remarks = internalizations
    .filter((row) => row === newest || row.state.name === 'live')
    .flatMap(({ state, rollout }) => {
      if (state.name === 'approval')
        return [`${title} waits for approval: promptintern promote ${id}`]
      const text = stateText(state, rollout, settings)
      const isInTable = text === stateWords(newest.state)
      const mayStep = rolloutProgress({ state }, rollout, settings)?.mayStep === true
      const command = mayStep ? `: promptintern promote ${id}` : ''
      return isInTable ? [] : [`${title} ${text}${command}`]
    })
  const judge =
    newest.judge === null ? [] : [`${title}: ${visibleName(judgeCostText(newest.judge))}`]
  return [...remarks, ...leftOut, ...judge]
}

const retirementLine = (retirement: Retirement): string =>
  `${visibleName(retirement.model)} ${retirementText(retirement)}: ` +
  counted(retirement.templates, 'template')

const retirementLines = (
  { retirements, followedRetirements }: Collected,
  titles: Titles
): string[] => [
  ...retirements.map(retirementLine),
  ...followedRetirements.map(
    (one) => `${retirementLine(one)} followed by ${followersText(one.followers, titles)}`
  ),
]

const followLines = ({ version, movedFrom, model }: CollectedTemplate, titles: Titles): string[] =>
  movedFrom === undefined
    ? []
    : [`${titles.title(version)} follows ${titles.title(movedFrom)} to ${visibleName(model)}`]

const status = (options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const titles = await readTitles(store)
    const economics = await openStoreEconomics(store, config)
    const retiresOn = retiresByPrice(await loadPrices(config))
    const collected = await collect({ store, economics }, retiresOn)
    if (options.json) return print(collected)
    const tenants = table(
      [
        ['tenant', 'records', 'last seen (UTC)'],
        ...collected.tenants.map(({ tenant, records, lastSeen }) => [
          tenant,
          records,
          minuteText(Date.parse(lastSeen)),
        ]),
      ],
      0
    )
    const retirements = retirementLines(collected, titles)
    const remarks = collected.templates.flatMap((row) => [
      ...remarksOf(row, titles, config.rollout),
      ...followLines(row, titles),
    ])
    print(
      [
        templatesText(collected, titles),
        ...(retirements.length === 0 ? [] : [retirements.join('\n')]),
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
