/** Metrics that are read from other parts of the process when they are scraped. */
import type { Registry } from 'prom-client'
import type { ReportFault, ServerFault } from '../../fault-log.ts'
import { TOKEN_KINDS, type UsageTotals } from '../../core/log/usage-totals.ts'
import type { LogQueueStats } from '../log-queue.ts'
import { registerReading, type ReadMetric, type Reading } from './tally.ts'

/** Delays of the event loop since the last reading, seconds. */
export interface EventLoopDelays {
  median: number
  p99: number
  max: number
}

export interface ProcessReadings {
  /** requests that are being answered */
  inFlight: () => number
  /** bytes of request bodies in memory */
  bodyBytes: () => number
  log: () => LogQueueStats
  /** false while the store's thread is started again */
  storeIsUp: () => boolean
  /** milliseconds since the store confirmed the routes */
  routesAgeMs: () => number
  /** of the records that this process has logged; fails with the store */
  usage: () => Promise<UsageTotals>
  fault: ReportFault<ServerFault>
  eventLoop: () => EventLoopDelays
  /** engines by name, and whether they answered the last health check */
  engines: () => [name: string, isReachable: boolean][]
}

/** Label values of the kinds of tokens. */
const LABELS: Record<(typeof TOKEN_KINDS)[number], string> = {
  input: 'input',
  cachedInput: 'cached_input',
  cacheWrite: 'cache_write',
  output: 'output',
  reasoning: 'reasoning',
}

const ANSWERERS = ['upstream', 'lora'] as const

/** Without the store the last figures stay; `/readyz` reports the store. */
const readUsage = (
  { usage, fault }: ProcessReadings,
  readingsOf: (totals: UsageTotals) => Reading[]
): Promise<Reading[] | null> =>
  usage().then(readingsOf, (error: unknown) => {
    fault('usage-totals', error)
    return null
  })

const tokensOf = (totals: UsageTotals): Reading[] =>
  ANSWERERS.flatMap((by) =>
    TOKEN_KINDS.map((kind): Reading => [{ by, kind: LABELS[kind] }, totals[by][kind]])
  )

interface ProcessMetric extends ReadMetric {
  /** a number for a metric without labels */
  read: (readings: ProcessReadings) => number | Reading[] | Promise<Reading[] | null>
}

const METRICS: ProcessMetric[] = [
  {
    type: 'counter',
    name: 'promptintern_tokens_total',
    help: 'Tokens of logged answers, by their usage',
    labels: ['by', 'kind'],
    read: (readings) => readUsage(readings, tokensOf),
  },
  {
    type: 'counter',
    name: 'promptintern_answers_without_usage_total',
    help: 'Logged answers without usage',
    labels: ['by'],
    read: (readings) =>
      readUsage(readings, (totals) => ANSWERERS.map((by) => [{ by }, totals[by].unknown])),
  },
  {
    type: 'gauge',
    name: 'promptintern_in_flight_requests',
    help: 'Requests that are being answered',
    read: ({ inFlight }) => inFlight(),
  },
  {
    type: 'gauge',
    name: 'promptintern_bodies_in_flight_bytes',
    help: 'Request bodies of chat completions in memory',
    read: ({ bodyBytes }) => bodyBytes(),
  },
  {
    type: 'gauge',
    name: 'promptintern_engine_reachable',
    help: '1 when the engine answered the last health check, else 0',
    labels: ['engine'],
    read: ({ engines }) =>
      engines().map(([engine, isReachable]) => [{ engine }, Number(isReachable)]),
  },
  {
    type: 'gauge',
    name: 'promptintern_event_loop_delay_seconds',
    help: 'Delay of the event loop since the last scrape',
    labels: ['quantile'],
    read: ({ eventLoop }) => {
      const { median, p99, max } = eventLoop()
      return [
        [{ quantile: '0.5' }, median],
        [{ quantile: '0.99' }, p99],
        [{ quantile: '1' }, max],
      ]
    },
  },
  {
    type: 'gauge',
    name: 'promptintern_store_up',
    help: '1 while the thread of the store runs, 0 while it is started again',
    read: ({ storeIsUp }) => Number(storeIsUp()),
  },
  {
    type: 'gauge',
    name: 'promptintern_routes_age_seconds',
    help: 'Time since the store confirmed the routes',
    read: ({ routesAgeMs }) => routesAgeMs() / 1000,
  },
  {
    type: 'gauge',
    name: 'promptintern_log_queued_records',
    help: 'Records that wait for the store',
    read: ({ log }) => log().queued,
  },
  {
    type: 'gauge',
    name: 'promptintern_log_queued_bytes',
    help: 'Memory of the batches that wait for the store',
    read: ({ log }) => log().queuedBytes,
  },
  {
    type: 'counter',
    name: 'promptintern_log_written_total',
    help: 'Records that the store has taken',
    read: ({ log }) => log().written,
  },
  {
    type: 'counter',
    name: 'promptintern_log_dropped_total',
    help: 'Records dropped because the queue was full or closed',
    read: ({ log }) => log().dropped,
  },
  {
    type: 'counter',
    name: 'promptintern_log_store_failures_total',
    help: 'Batches that the store refused; each was tried again',
    read: ({ log }) => log().storeFailures,
  },
]

export const registerProcessMetrics = (registry: Registry, readings: ProcessReadings): void => {
  for (const { read, ...metric } of METRICS)
    registerReading(registry, metric, () => {
      const value = read(readings)
      return typeof value === 'number' ? [[{}, value]] : value
    })
}
