/**
 * Whether internalizing a template pays, and its savings so far, from the log and the price file.
 * Worker, admin API and CLI use it, so they report the same figures.
 */
import { LRUCache } from 'lru-cache'
import { shareEngine } from '../core/cost/economics.ts'
import type { Internalization } from '../core/lifecycle/internalization.ts'
import { findPrice, type Price } from '../core/cost/prices.ts'
import {
  draftOf,
  economicsOf,
  engineHoursUsd,
  savedPerMonth,
  type Draft,
  type EconomicsSettings,
  type TemplateEconomics,
} from '../core/cost/template-economics.ts'
import type { Template } from '../core/template/template.ts'
import type { TemplateTraffic } from '../core/cost/template-traffic.ts'
import { loadTraffic } from './load-traffic.ts'
import { savingsReport, type SavingsReport } from './savings.ts'
import type { Store } from '../store/store.ts'

export interface Economics {
  /** @returns by template version; figures of the log are cached for ten minutes */
  assess(templates: readonly Template[]): Promise<Map<string, TemplateEconomics>>
  savings(): Promise<SavingsReport>
}

const HOURS_PER_MONTH = (365 / 12) * 24
const TRAFFIC_TTL_MS = 600_000
/** templates; the figures of each are some hundred bytes */
const MAX_CACHED = 10_000
const BASE_MODEL = 'base-model'

/** Stores the engine's base model: before the first training only the worker can ask the engine. */
export const rememberBaseModel = (store: Store, baseModel: string): Promise<void> =>
  store.snapshots.put(BASE_MODEL, new TextEncoder().encode(baseModel))

/** @returns price of the base model; null: unknown, or it has no price per token */
const adaptedPriceOf = async (
  store: Store,
  prices: readonly Price[],
  internalizations: readonly Internalization[]
): Promise<Price | null> => {
  const bytes = await store.snapshots.get(BASE_MODEL)
  const planned = internalizations.findLast(({ plan }) => plan !== null)?.plan?.baseModel
  const model = bytes === null ? planned : new TextDecoder().decode(bytes)
  return model === undefined ? null : findPrice(prices, model)
}

type Measure = (
  template: Template,
  internalizations: readonly Internalization[]
) => Promise<TemplateTraffic | null>

/** @returns measures a template's traffic at most once in ten minutes */
const createMeasure = (
  store: Store,
  { captureShare, estimatesUsage }: EconomicsSettings,
  now: () => number
): Measure => {
  const cache = new LRUCache<string, { traffic: TemplateTraffic | null; until: number }>({
    max: MAX_CACHED,
  })
  return async (template, internalizations) => {
    const known = cache.get(template.version)
    if (known !== undefined && known.until > now()) return known.traffic
    const newest = internalizations.findLast((row) => row.templateVersion === template.version)
    const heldOutIds = newest?.plan?.holdoutRecordIds ?? []
    const traffic = await loadTraffic(store, template, { captureShare, estimatesUsage, heldOutIds })
    cache.set(template.version, { traffic, until: now() + TRAFFIC_TTL_MS })
    return traffic
  }
}

export const openEconomics = (
  store: Store,
  settings: EconomicsSettings,
  now: () => number
): Economics => {
  const measure = createMeasure(store, settings, now)

  const draftAll = async (templates: readonly Template[]): Promise<Map<string, Draft>> => {
    const internalizations = await store.internalizations.list()
    const adaptedPrice = await adaptedPriceOf(store, settings.prices, internalizations)
    const drafts = new Map<string, Draft>()
    // one after another, because the store's thread has other calls to answer
    for (const template of templates) {
      const traffic = await measure(template, internalizations)
      const stats = await store.templates.stats(template.version)
      const input = { template, traffic, stats, internalizations, adaptedPrice, settings }
      drafts.set(template.version, draftOf(input))
    }
    return drafts
  }

  return {
    async assess(templates) {
      const live = (await store.routes.list()).map(({ template }) => template)
      const drafts = await draftAll([...live, ...templates])
      const monthUsd = engineHoursUsd(HOURS_PER_MONTH, settings)
      const economics = templates.map((template): [string, TemplateEconomics] => {
        const own = drafts.get(template.version)!
        const others = live
          .filter(({ version }) => version !== template.version)
          .map(({ version }) => drafts.get(version)!)
        const [engineUsd] = shareEngine(monthUsd, [own, ...others].map(savedPerMonth))
        const { model } = template
        return [template.version, economicsOf(own, { model, engineUsd: engineUsd!, settings })]
      })
      return new Map(economics)
    },
    savings: () => savingsReport(store, settings, draftAll, now()),
  }
}
