/** A scan of a made log: whether the planted cause is named first, and how far its dollars are from the truth. */
import { cacheReport, type CacheReport } from '../../../src/core/cache/cache-report.ts'
import type { CacheCause } from '../../../src/core/cache/finding.ts'
import { LogScan } from '../../../src/core/scan/log-scan.ts'
import { callsPerMonth } from '../../../src/core/cost/template-traffic.ts'
import {
  CACHE_MODELS,
  CACHE_PRICE,
  makeCacheLog,
  type CacheLog,
  type LogSettings,
} from './cache-logs.ts'

const LIFE_MS = 300_000
const MIN_SESSIONS = 30
const RULES = { lifeOf: () => LIFE_MS, minimumOf: () => CACHE_PRICE.minCachedPrefixTokens }

export interface FoundCache {
  version: string | null
  requests: number
  report: CacheReport
}

/** Most requests first. */
export const scanCache = ({ records, countTokens }: Omit<CacheLog, 'saved'>): FoundCache[] => {
  const scan = new LogScan({
    minSessions: MIN_SESSIONS,
    known: [],
    sampleRows: 100,
    sampleBytes: 2 ** 24,
    countTokens,
    now: Math.max(...records.map(({ at }) => at)),
  })
  for (const record of records) scan.observe(record)
  scan.findTemplates()
  for (const record of records) scan.count(record)
  const prices = CACHE_MODELS.map((model) => ({ model, ...CACHE_PRICE }))
  return scan
    .takeCacheFindings(RULES)
    .map((finding) => {
      const window = { calls: finding.judged, from: scan.from ?? 0, to: scan.to ?? 0 }
      const requestsPerMonth = callsPerMonth(window, 1)
      return {
        version: finding.version,
        requests: finding.judged,
        report: cacheReport(finding, { prices, requestsPerMonth, withText: false }),
      }
    })
    .toSorted((a, b) => b.requests - a.requests)
}

export interface JudgedCache {
  /** the cause that is named for most requests */
  cause: CacheCause | 'none'
  isRight: boolean
  /** of the dollars of all mends, as a share of the truth; 0 for a log without a cause */
  error: number
  usdPerMonth: number
}

export const judgeCache = (settings: LogSettings): JudgedCache => {
  const log = makeCacheLog(settings)
  const found = scanCache(log)
  const cause = found[0]?.report.causes[0]?.cause ?? 'none'
  const usd = found.reduce((sum, { report }) => sum + (report.usdPerMonth ?? 0), 0)
  const truth = log.saved.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0)
  const isClean = log.saved.length === 0
  return {
    cause,
    isRight: isClean
      ? found.every(({ report }) => report.causes.length === 0)
      : cause === log.saved[0]!.cause,
    error: isClean ? 0 : Math.abs(usd - truth) / truth,
    usdPerMonth: usd,
  }
}
