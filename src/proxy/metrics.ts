/** Prometheus metrics of the hot path. Label values come from fixed sets, never from a client. */
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import type { LogQueueStats } from './log-queue.ts'
import type { FaultReason } from './ask-lora.ts'
import type { SkipReason } from './route.ts'

/**
 * `answered` by a lora, `fallback` after one was asked, `skipped` although a template matched,
 * `upstream` without a match, `passed` through because it is no chat completion, `unread` because
 * too many bodies were in memory, `refused` with an error of our own.
 */
export type RequestOutcome =
  'answered' | 'fallback' | 'skipped' | 'upstream' | 'passed' | 'unread' | 'refused'

export interface ProxyMetrics {
  request(outcome: RequestOutcome): void
  fallback(reason: FaultReason | SkipReason): void
  tokensSaved(tokens: number): void
  /** from the complete request to the moment the upstream or the engine was asked */
  overhead(milliseconds: number): void
}

const OVERHEAD_BUCKETS_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25]

const registerLogMetrics = (registry: Registry, logStats: () => LogQueueStats): void => {
  const gauges: [string, string, (stats: LogQueueStats) => number][] = [
    ['promptintern_log_queued_bytes', 'Bytes waiting for the store', (stats) => stats.queuedBytes],
    ['promptintern_log_written_total', 'Records the store has taken', (stats) => stats.written],
    ['promptintern_log_dropped_total', 'Records dropped: store too slow', (stats) => stats.dropped],
    ['promptintern_log_store_failures_total', 'Batches refused', (stats) => stats.storeFailures],
  ]
  for (const [name, help, read] of gauges) {
    // a gauge, because its value is the queue's own count and is only copied when it is asked for
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => gauge.set(read(logStats())),
    })
  }
}

export const createMetrics = (registry: Registry, logStats: () => LogQueueStats): ProxyMetrics => {
  const registers = [registry]
  const requests = new Counter({
    name: 'promptintern_requests_total',
    help: 'Requests by what became of them',
    labelNames: ['route'],
    registers,
  })
  const fallbacks = new Counter({
    name: 'promptintern_fallbacks_total',
    help: 'Requests with a live template that the upstream answered, by reason',
    labelNames: ['reason'],
    registers,
  })
  const saved = new Counter({
    name: 'promptintern_prompt_tokens_saved_total',
    help: 'Prompt tokens that no model had to read',
    registers,
  })
  const overhead = new Histogram({
    name: 'promptintern_overhead_seconds',
    help: 'Time of our own before the upstream or the engine is asked',
    buckets: OVERHEAD_BUCKETS_SECONDS,
    registers,
  })
  registerLogMetrics(registry, logStats)
  return {
    request: (outcome) => requests.inc({ route: outcome }),
    fallback: (reason) => fallbacks.inc({ reason }),
    tokensSaved: (tokens) => saved.inc(tokens),
    overhead: (milliseconds) => overhead.observe(milliseconds / 1000),
  }
}
