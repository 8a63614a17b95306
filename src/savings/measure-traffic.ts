/** Measures of templates' traffic, which are cached, because each reads hundreds of records. */
import { LRUCache } from 'lru-cache'
import type { EconomicsSettings } from '../core/cost/template-economics.ts'
import type { TemplateTraffic } from '../core/cost/template-traffic.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import type { Template } from '../core/template/template.ts'
import type { Store } from '../store/store.ts'
import { loadTraffic } from './load-traffic.ts'

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
