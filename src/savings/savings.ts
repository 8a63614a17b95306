/**
 * What was spent and what loras saved, in the last day, week and month and since the log began. One basis for all:
 * the tokens that the upstream counted, the costs of a call of each template as its newest calls have them, and
 * today's prices.
 */
import {
  savingsOf,
  shareEngine,
  type CallCosts,
  type OwnCosts,
  type Savings,
} from '../core/cost/economics.ts'
import { datedPrices, type DatedPrice } from '../core/cost/price-list.ts'
import { priceAt, findPrice, tokensCost } from '../core/cost/prices.ts'
import {
  engineHoursUsd,
  trainedSeconds,
  type Draft,
  type EconomicsSettings,
} from '../core/cost/template-economics.ts'
import { groupBy } from '../core/group-by.ts'
import { winningArm, type Internalization } from '../core/internalization/internalization.ts'
import { liveHours } from '../core/internalization/live-hours.ts'
import { PERIOD_NAMES, periodStart, type PeriodName } from '../core/cost/periods.ts'
import { addHours, type Asked, type Charged, type TrafficHour } from '../core/log/traffic-hours.ts'
import { readProofsUsd } from './model-proof.ts'
import type { HistoryRow, Store } from '../store/store.ts'
import { inTurn } from '../core/lists.ts'

export interface TemplateSavings extends Asked {
  /** null: its calls have no price */
  usd: Savings | null
}

/** Figures of one period. */
export interface PeriodSavings {
  /** milliseconds since the epoch; 0: since the log began */
  from: number
  /** charged by the upstream for logged requests; null where none of them has a price */
  spentUsd: number | null
  /** answers of the upstream that have no price, or no tokens; they count as nothing spent */
  unpricedSpent: number
  /** less all costs of engine and training; null when no call of a template has a price */
  usd: Savings | null
  /** answers of loras without a price; they count as no savings */
  unpricedAnswers: number
  /** hours with at least one live lora */
  engineHours: number
  trainingHours: number
  /** part of what was spent: audited answers that a lora would have given; and second answers, in addition to it */
  auditsUsd: number
  /** answers that moves to other models have bought; beside what was spent, and in no other figure */
  movesUsd: number
  /** whose loras were asked, live, or trained */
  templates: TemplateSavings[]
}

export interface SavingsReport {
  /** milliseconds since the epoch */
  at: number
  /** null: not set, and engine hours cost nothing */
  engineUsdPerHour: number | null
  periods: Record<PeriodName | 'all', PeriodSavings>
  /** dollars that one answer of a template's lora saves, before costs */
  perAnswerUsd: Record<string, number>
  /** of the models in the log */
  prices: DatedPrice[]
}

const HISTORY_PAGE = 1_000

const readHistories = async ({
  internalizations,
}: Pick<Store, 'internalizations'>): Promise<Map<string, HistoryRow[]>> => {
  const rows: HistoryRow[] = []
  let page: HistoryRow[]
  do {
    page = await internalizations.historySince(rows.at(-1)?.place ?? 0, HISTORY_PAGE)
    rows.push(...page)
  } while (page.length === HISTORY_PAGE)
  return groupBy(rows, ({ internalizationId }) => internalizationId)
}

/** All that the figures of a period are made of. */
interface Ledger {
  settings: EconomicsSettings
  /** by template version, of all templates with an internalization; deleted ones have none */
  drafts: ReadonlyMap<string, Draft>
  internalizations: readonly Internalization[]
  histories: ReadonlyMap<string, readonly HistoryRow[]>
  hours: readonly TrafficHour[]
  /** of the proofs of other models, US dollars by internalization */
  proofsUsd: ReadonlyMap<string, number>
  now: number
}

/** When its training ended, or its evaluation; now while it lasts. */
const endOf = (
  { histories, now }: Ledger,
  { id }: Internalization,
  state: 'training' | 'evaluating'
): number => histories.get(id)?.findLast(({ from }) => from?.name === state)?.at ?? now

const trainedSince = (
  ledger: Ledger,
  from: number,
  own: readonly Internalization[]
): Internalization[] => own.filter((row) => endOf(ledger, row, 'training') >= from)

const hoursTrained = (ledger: Ledger, from: number, own: readonly Internalization[]): number =>
  trainedSince(ledger, from, own).reduce((sum, row) => sum + trainedSeconds(row), 0) / 3600

/** Cost of all internalizations of a template, live or not. */
const trainingUsdOf = (ledger: Ledger, from: number, version: string): number => {
  const { settings, drafts, internalizations } = ledger
  const own = internalizations.filter(({ templateVersion }) => templateVersion === version)
  const judged = own.filter(
    (row) => row.verdict !== null && endOf(ledger, row, 'evaluating') >= from
  )
  const { now = 0 } = drafts.get(version)?.perCallUsd ?? {}
  const evaluationUsd = judged.length * settings.upstreamReplays * now
  const proofsUsd = own
    .filter((row) => endOf(ledger, row, 'evaluating') >= from)
    .reduce((sum, { id }) => sum + (ledger.proofsUsd.get(id) ?? 0), 0)
  const engineUsd = trainedSince(ledger, from, own).reduce(
    (sum, row) => sum + engineHoursUsd(trainedSeconds(row) / 3600, settings),
    0
  )
  return engineUsd + evaluationUsd + proofsUsd
}

const costOf = ({ prices }: EconomicsSettings, charged: Charged): number | null => {
  const price = findPrice(prices, charged.model)
  const { longerThan, serviceTier = null } = charged
  // of requests within a length the least counts
  const inputTokens = longerThan === undefined ? 0 : longerThan + 1
  return price && tokensCost(priceAt(price, inputTokens, serviceTier), charged)
}

const spentIn = (
  settings: EconomicsSettings,
  { charged, uncounted }: Pick<TrafficHour, 'charged' | 'uncounted'>
): Pick<PeriodSavings, 'spentUsd' | 'unpricedSpent'> => {
  const costs = charged.map((row) => ({ answers: row.answers, usd: costOf(settings, row) }))
  const priced = costs.flatMap(({ usd }) => usd ?? [])
  const unpriced = costs.filter(({ usd }) => usd === null)
  const unpricedSpent = unpriced.reduce((sum, { answers }) => sum + answers, uncounted)
  const isKnown = priced.length > 0 || unpricedSpent === 0
  return { spentUsd: isKnown ? priced.reduce((sum, usd) => sum + usd, 0) : null, unpricedSpent }
}

/** Charged for the answers of other models, of which the log has the answered ones without their tokens at the upstream. */
const otherModelsUsd = ({ drafts }: Ledger, asked: readonly Asked[]): number =>
  asked.reduce((sum, { version, answered, discarded }) => {
    const draft = drafts.get(version)
    const isOther = draft !== undefined && draft.otherModel !== null
    return isOther ? sum + (answered + discarded) * (draft.perCallUsd?.ours ?? 0) : sum
  }, 0)

interface Costed {
  row: Asked
  /** of a call; null: it has no price */
  costs: CallCosts | null
  trainingUsd: number
}

const costedOf = (ledger: Ledger, from: number, asked: readonly Asked[]): Costed[] => {
  const worked = ledger.internalizations.map(({ templateVersion }) => templateVersion)
  const versions = new Set([...asked.map(({ version }) => version), ...worked])
  return [...versions].map((version) => ({
    row: asked.find((each) => each.version === version) ?? { version, answered: 0, discarded: 0 },
    costs: ledger.drafts.get(version)?.perCallUsd ?? null,
    trainingUsd: trainingUsdOf(ledger, from, version),
  }))
}

const savedBy = ({ row, costs, trainingUsd }: Costed, engineUsd: number): Savings | null =>
  costs && savingsOf(costs, row, { engineUsd, trainingUsd })

/** Shares the engine's cost between the templates with a price, in proportion to their savings. */
const templatesOf = (costed: readonly Costed[], engineUsd: number): TemplateSavings[] => {
  const gross = costed.flatMap((each) => savedBy(each, 0)?.grossUsd ?? [])
  const nextShare = inTurn(shareEngine(engineUsd, gross))
  return costed.map((each) => ({
    ...each.row,
    usd: each.costs === null ? null : savedBy(each, nextShare()),
  }))
}

/** The sum of the templates' savings, less all costs of engine and training. */
const totalOf = (parts: readonly Savings[], { engineUsd, trainingUsd }: OwnCosts): Savings => {
  const sum = (figure: keyof Savings) => parts.reduce((total, part) => total + part[figure], 0)
  const [grossUsd, discardedUsd] = [sum('grossUsd'), sum('discardedUsd')]
  return {
    grossUsd,
    discardedUsd,
    engineUsd,
    trainingUsd,
    netUsd: grossUsd - discardedUsd - engineUsd - trainingUsd,
  }
}

const NOTHING: Pick<TrafficHour, 'charged' | 'uncounted' | 'asked' | 'bought'> = {
  charged: [],
  uncounted: 0,
  asked: [],
}

/** Of routes that the engine answers. */
const engineHistories = ({ histories, internalizations }: Ledger): (readonly HistoryRow[])[] => {
  const others = new Set(
    internalizations.filter((row) => winningArm(row)?.model).map(({ id }) => id)
  )
  return [...histories].flatMap(([id, history]) => (others.has(id) ? [] : [history]))
}

const periodOf = (ledger: Ledger, from: number): Omit<PeriodSavings, 'auditsUsd'> => {
  const { settings, hours, internalizations, now } = ledger
  const [first, ...others] = hours.filter(({ hour }) => hour >= from)
  const sum = first === undefined ? NOTHING : others.reduce(addHours, first)
  const engineHours = liveHours(engineHistories(ledger), { from, to: now })
  const engineUsd = engineHoursUsd(engineHours, settings)
  const costed = costedOf(ledger, from, sum.asked)
  const templates = templatesOf(costed, engineUsd)
  const parts = templates.flatMap(({ usd }) => usd ?? [])
  const trainingUsd = costed.reduce((total, each) => total + each.trainingUsd, 0)
  const { spentUsd, unpricedSpent } = spentIn(settings, sum)
  return {
    from,
    spentUsd: spentUsd && spentUsd + otherModelsUsd(ledger, sum.asked),
    unpricedSpent,
    usd: parts.length === 0 ? null : totalOf(parts, { engineUsd, trainingUsd }),
    unpricedAnswers: templates.reduce((total, row) => total + (row.usd ? 0 : row.answered), 0),
    engineHours,
    trainingHours: hoursTrained(ledger, from, internalizations),
    movesUsd: (sum.bought ?? []).reduce((usd, row) => usd + (costOf(settings, row) ?? 0), 0),
    templates,
  }
}

const EARLIER_TTL_MS = 600_000

/**
 * Reads the figures of all hours. Those before the longest period are thousands in a log of a year: they are read
 * every ten minutes, and come as one.
 */
export const createHoursReader = ({ records }: Store, now: () => number) => {
  let earlier: { sum: TrafficHour[]; before: number; until: number } | null = null
  return async (): Promise<TrafficHour[]> => {
    if (earlier === null || earlier.until <= now()) {
      const before = periodStart('month', now())
      const [first, ...others] = await records.traffic(0, before)
      const sum = first === undefined ? [] : [others.reduce(addHours, first)]
      earlier = { sum, before, until: now() + EARLIER_TTL_MS }
    }
    return [...earlier.sum, ...(await records.traffic(earlier.before, now() + 1))]
  }
}

/** @param ledger.drafts of all templates with an internalization; deleted ones have none */
export const savingsReport = async (
  store: Store,
  settings: EconomicsSettings,
  { drafts, hours, now }: Pick<Ledger, 'drafts' | 'hours' | 'now'>
): Promise<SavingsReport> => {
  const ledger: Ledger = {
    settings,
    drafts,
    internalizations: await store.internalizations.list({ recordIds: false }),
    histories: await readHistories(store),
    hours,
    proofsUsd: await readProofsUsd(store),
    now,
  }
  const period = async (from: number): Promise<PeriodSavings> => ({
    ...periodOf(ledger, from),
    auditsUsd: (await store.pairs.spent(from, now + 1)).usd,
  })
  const periods = { all: await period(0) } as SavingsReport['periods']
  for (const name of PERIOD_NAMES) periods[name] = await period(periodStart(name, now))
  return {
    at: now,
    engineUsdPerHour: settings.engineUsdPerHour,
    periods,
    perAnswerUsd: Object.fromEntries(
      [...drafts].flatMap(([version, { perCallUsd }]) =>
        perCallUsd === null ? [] : [[version, perCallUsd.now - perCallUsd.ours]]
      )
    ),
    prices: datedPrices(
      settings.prices,
      hours.flatMap(({ charged }) => charged.map(({ model }) => model))
    ),
  }
}
