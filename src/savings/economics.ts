/**
 * Whether internalizing a template pays, and its savings so far, from the log and the price file.
 * Worker, admin API and CLI use it, so they report the same figures.
 */
import { shareEngine } from '../core/cost/economics.ts'
import {
  draftOf,
  economicsOf,
  engineHoursUsd,
  savedPerMonth,
  type Draft,
  type EconomicsSettings,
  type TemplateEconomics,
} from '../core/cost/template-economics.ts'
import { readCaches, type KnownCaches } from './caches.ts'
import { createHoursReader, savingsReport, type SavingsReport } from './savings.ts'
import { LRUCache } from 'lru-cache'
import type { TemplateTraffic } from '../core/cost/template-traffic.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import type { Template } from '../core/template/template.ts'
import type { Store } from '../store/store.ts'
import { loadTraffic } from './load-traffic.ts'

export interface Economics {
  /** @returns by template version; figures of the log are cached for ten minutes */
  assess(templates: readonly Template[]): Promise<Map<string, TemplateEconomics>>
  savings(): Promise<SavingsReport>
  /**
   * As `assess`, from cached figures alone: reads no record. Leaves out templates without them, and all of
   * them while those of a live one are missing, because the engine's cost is shared with it.
   */
  known(templates: readonly Template[]): Promise<Map<string, TemplateEconomics>>
  /** Why the provider's cache is not read, as the worker has last found it. */
  caches(): Promise<KnownCaches>
  /** As `savings`, from cached figures alone; null while some are missing. */
  knownSavings(read: ReadRows): Promise<SavingsReport | null>
}

/** What its caller has read from the store: all rows of both, internalizations with or without their record ids. */
export interface ReadRows {
  internalizations: readonly Internalization[]
  templates: readonly Template[]
}

const HOURS_PER_MONTH = (365 / 12) * 24

type DraftAll = (
  templates: readonly Template[],
  internalizations: readonly Internalization[],
  settings: EconomicsSettings
) => Promise<Map<string, Draft>>

const draftWith =
  (trafficOf: Measure['read'] | Measure['known']): DraftAll =>
  async (templates, internalizations, settings) => {
    const drafts = new Map<string, Draft>()
    // one after another, because the store's thread has other calls to answer
    for (const template of templates) {
      const { version } = template
      const newest = internalizations.findLast((row) => row.templateVersion === version)
      const traffic = await trafficOf(template, newest)
      if (traffic === undefined) continue
      const input = { template, traffic, internalizations, settings }
      drafts.set(version, draftOf(input))
    }
    return drafts
  }

/** Templates that an internalization is of. */
const workedTemplates = ({ internalizations, templates }: ReadRows): Template[] => {
  const worked = new Set(internalizations.map(({ templateVersion }) => templateVersion))
  return templates.filter(({ version }) => worked.has(version))
}

interface Assessed {
  drafts: ReadonlyMap<string, Draft>
  /** of templates with a live route, which share the engine's cost */
  live: readonly (readonly [string, Draft])[]
  settings: EconomicsSettings
}

/** Of a template by its version; none without a draft. */
const economicsWithin =
  ({ drafts, live, settings }: Assessed) =>
  ({ version, model }: Template): [string, TemplateEconomics][] => {
    const own = drafts.get(version)
    if (own === undefined) return []
    const others = live
      .filter(([other, { otherModel }]) => other !== version && otherModel === null)
      .map(([, draft]) => draft)
    const saved = [own, ...others].map(savedPerMonth)
    const [shared = 0] = shareEngine(engineHoursUsd(HOURS_PER_MONTH, settings), saved)
    // the engine does not run for another model
    const engineUsd = own.otherModel === null ? shared : 0
    return [[version, economicsOf(own, { model, engineUsd, settings })]]
  }

export const openEconomics = (
  store: Store,
  settings: EconomicsSettings,
  now: () => number
): Economics => {
  const measure = createMeasure(store, settings, now)
  const listInternalizations = () => store.internalizations.list({ recordIds: false })

  const draftAll = draftWith(measure.read)
  const draftKnown = draftWith(measure.known)

  const assessWith = async (
    draft: DraftAll,
    templates: readonly Template[]
  ): Promise<Map<string, TemplateEconomics>> => {
    const routed = (await store.routes.list()).map(({ template }) => template)
    const drafts = await draft([...routed, ...templates], await listInternalizations(), settings)
    const versions = new Set(routed.map(({ version }) => version))
    const live = [...drafts].filter(([version]) => versions.has(version))
    if (live.length < versions.size) return new Map()
    return new Map(templates.flatMap(economicsWithin({ drafts, live, settings })))
  }

  const readHours = createHoursReader(store, now)
  const savingsFrom = async (drafts: Map<string, Draft>): Promise<SavingsReport> =>
    savingsReport(store, settings, { drafts, hours: await readHours(), now: now() })

  return {
    assess: (templates) => assessWith(draftAll, templates),
    caches: () => readCaches(store, settings),
    async savings() {
      const internalizations = await listInternalizations()
      const templates = await store.templates.list()
      const worked = workedTemplates({ internalizations, templates })
      return savingsFrom(await draftAll(worked, internalizations, settings))
    },
    known: async (templates) =>
      templates.some((template) => measure.known(template) !== undefined)
        ? assessWith(draftKnown, templates)
        : new Map(),
    async knownSavings(read) {
      const worked = workedTemplates(read)
      const drafts = await draftKnown(worked, read.internalizations, settings)
      const isKnown = worked.every(({ version }) => drafts.has(version))
      return isKnown ? savingsFrom(drafts) : null
    },
  }
}

const TRAFFIC_TTL_MS = 600_000
/** templates; the figures of each are some hundred bytes */
const MAX_CACHED = 10_000

/** A template's traffic, measured at most once in ten minutes. */
export interface Measure {
  /** @param newest internalization of the template */
  read(template: Template, newest: Internalization | undefined): Promise<TemplateTraffic | null>
  /** undefined: not measured, or too long ago */
  known(template: Template): TemplateTraffic | null | undefined
}

interface Measured {
  reading: Promise<TemplateTraffic | null>
  /** undefined while it is read */
  traffic?: TemplateTraffic | null
  until: number
}

export const createMeasure = (
  store: Store,
  { captureShare }: EconomicsSettings,
  now: () => number
): Measure => {
  const cache = new LRUCache<string, Measured>({ max: MAX_CACHED })
  const load: Measure['read'] = async (template, newest) => {
    const plan = newest && (await store.internalizations.get(newest.id))?.plan
    const heldOutIds = plan?.holdoutRecordIds ?? []
    return loadTraffic(store, template, { captureShare, heldOutIds })
  }
  const fresh = ({ version }: Template): Measured | undefined => {
    const found = cache.get(version)
    return found !== undefined && found.until > now() ? found : undefined
  }
  return {
    known: (template) => fresh(template)?.traffic,
    async read(template, newest) {
      const found = fresh(template)
      if (found !== undefined) return found.reading
      const measured: Measured = { reading: load(template, newest), until: Infinity }
      cache.set(template.version, measured)
      try {
        measured.traffic = await measured.reading
        measured.until = now() + TRAFFIC_TTL_MS
        return measured.traffic
      } catch (error) {
        cache.delete(template.version)
        throw error
      }
    },
  }
}
