/** The savings of loras so far, less their costs. */
import { savingsOf, shareEngine, type OwnCosts, type Savings } from '../core/cost/economics.ts'
import { groupBy } from '../core/group-by.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import { liveHours } from '../core/internalization/live-hours.ts'
import {
  engineHoursUsd,
  trainedSeconds,
  type Draft,
  type EconomicsSettings,
} from '../core/cost/template-economics.ts'
import type { HistoryRow, Store, TemplateStats } from '../store/store.ts'

export interface TemplateSavings extends TemplateStats {
  version: string
  /** since its first answer, at today's prices; null when its calls have no price */
  usd: Savings | null
}

export interface SavingsReport {
  templates: TemplateSavings[]
  /** less all costs of engine and training; null when no call has a price */
  usd: Savings | null
  /** answers of loras without a price; they count as no savings */
  unpricedAnswers: number
  /** null: not set, and engine hours cost nothing */
  engineUsdPerHour: number | null
  /** hours with at least one live lora */
  engineHours: number
  trainingHours: number
  /** paid to the upstream for audited answers that a lora would have given, and for second answers */
  auditsUsd: number
}

/** The sum of the templates' savings, less all costs of engine and training. */
const totalOf = (parts: readonly Savings[], { engineUsd, trainingUsd }: OwnCosts): Savings => {
  const sum = (figure: keyof Savings) => parts.reduce((total, part) => total + part[figure], 0)
  const [grossUsd, discardedUsd] = [sum('grossUsd'), sum('discardedUsd')]
  return {
    grossUsd,
    byModelUsd: sum('byModelUsd'),
    byPromptUsd: sum('byPromptUsd'),
    discardedUsd,
    engineUsd,
    trainingUsd,
    netUsd: grossUsd - discardedUsd - engineUsd - trainingUsd,
  }
}

const HISTORY_PAGE = 1_000

const liveHoursOf = async ({ internalizations }: Store, now: number): Promise<number> => {
  const rows: HistoryRow[] = []
  let page: HistoryRow[]
  do {
    page = await internalizations.historySince(rows.at(-1)?.place ?? 0, HISTORY_PAGE)
    rows.push(...page)
  } while (page.length === HISTORY_PAGE)
  const histories = groupBy(rows, ({ internalizationId }) => internalizationId)
  return liveHours([...histories.values()], now)
}

const hoursTrained = (internalizations: readonly Internalization[]): number =>
  internalizations.reduce((sum, row) => sum + trainedSeconds(row), 0) / 3600

/** Cost of all internalizations of a template, live or not. */
const trainingUsdOf = (
  own: readonly Internalization[],
  draft: Draft | undefined,
  settings: EconomicsSettings
): number => {
  const evaluations = own.filter(({ verdict }) => verdict !== null).length
  const evaluationUsd = evaluations * (draft?.onceUsd.evaluation ?? 0)
  return engineHoursUsd(hoursTrained(own), settings) + evaluationUsd
}

interface Priced {
  row: TemplateStats & { version: string }
  draft: Draft | undefined
  trainingUsd: number
}

const savedBy = ({ row, draft, trainingUsd }: Priced, engineUsd: number): Savings | null => {
  if (draft?.perCallUsd == null) return null
  const discarded = row.forwarded * (draft.traffic?.discardedShare ?? 0)
  const volume = { answered: row.answered, discarded }
  return savingsOf(draft.perCallUsd, volume, { engineUsd, trainingUsd })
}

/** Shares the engine's cost between the templates with a price, in proportion to their savings. */
const withShares = (templates: readonly Priced[], engineUsd: number): TemplateSavings[] => {
  const saved = templates.map((template) => savedBy(template, 0))
  const grossOf = saved.flatMap((usd) => (usd === null ? [] : [usd.grossUsd]))
  const shares = shareEngine(engineUsd, grossOf).values()
  return templates.map((template, index) => ({
    ...template.row,
    usd: saved[index] == null ? null : savedBy(template, shares.next().value!),
  }))
}

/** @param drafts by template version, of all templates with an internalization; deleted ones have none */
export const savingsReport = async (
  store: Store,
  settings: EconomicsSettings,
  drafts: ReadonlyMap<string, Draft>,
  now: number
): Promise<SavingsReport> => {
  const totals = await store.templates.totals()
  const internalizations = await store.internalizations.list({ recordIds: false })
  const priced = totals.map((row): Priced => {
    const own = internalizations.filter(({ templateVersion }) => templateVersion === row.version)
    const draft = drafts.get(row.version)
    return { row, draft, trainingUsd: trainingUsdOf(own, draft, settings) }
  })
  const engineHours = await liveHoursOf(store, now)
  const engineUsd = engineHoursUsd(engineHours, settings)
  const templates = withShares(priced, engineUsd)
  const parts = templates.flatMap(({ usd }) => usd ?? [])
  const trainingUsd = priced.reduce((sum, template) => sum + template.trainingUsd, 0)
  return {
    templates,
    usd: parts.length === 0 ? null : totalOf(parts, { engineUsd, trainingUsd }),
    unpricedAnswers: templates.reduce((sum, row) => sum + (row.usd === null ? row.answered : 0), 0),
    engineUsdPerHour: settings.engineUsdPerHour,
    engineHours,
    trainingHours: hoursTrained(internalizations),
    auditsUsd: (await store.pairs.spent(0, now + 1)).usd,
  }
}
