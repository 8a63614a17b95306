/** Why the provider's cache is not read, as the worker has last found it in the log; priced when it is shown. */
import {
  cacheReport,
  type CacheReport,
  otherCachesOf,
  type OtherCache,
} from '../core/cache/cache-report.ts'
import type { CacheFinding } from '../core/cache/finding.ts'
import type { EconomicsSettings } from '../core/cost/template-economics.ts'
import { callsPerMonth, type TrafficWindow } from '../core/cost/template-traffic.ts'
import { readJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** Name of the snapshot. It has texts of the log. */
export const CACHES = 'caches'

/** A finding, and the calls of the log that it stands for. */
export interface LoggedFinding extends CacheFinding {
  window: TrafficWindow
}

export interface FoundCaches {
  /** when the log was read, milliseconds since the epoch */
  at: number
  /** of the oldest record that was read */
  oldest: number
  /** requests of templates at that time */
  tagged: number
  findings: LoggedFinding[]
}

export interface TemplateCache extends CacheReport {
  /** when the log was read, milliseconds since the epoch */
  at: number
}

export interface KnownCaches {
  /** by version, of templates with enough requests lately */
  templates: ReadonlyMap<string, TemplateCache>
  /** of requests without a template, most money first */
  others: OtherCache[]
}

/** @returns nothing before the worker has read the log */
export const readCaches = async (
  store: Pick<Store, 'snapshots'>,
  { prices, captureShare }: Pick<EconomicsSettings, 'prices' | 'captureShare'>
): Promise<KnownCaches> => {
  const found = await readJsonSnapshot<FoundCaches>(store, CACHES)
  if (found === null) return { templates: new Map(), others: [] }
  const { at, findings } = found
  const rateOf = ({ window }: LoggedFinding): number | null => callsPerMonth(window, captureShare)
  const settings = { prices, withText: true }
  const templates = findings.flatMap((finding): [string, TemplateCache][] => {
    const report = cacheReport(finding, { ...settings, requestsPerMonth: rateOf(finding) })
    return finding.version === null ? [] : [[finding.version, { at, ...report }]]
  })
  return { templates: new Map(templates), others: otherCachesOf(findings, settings, rateOf) }
}
