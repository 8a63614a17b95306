/**
 * Prometheus metrics of the hot path. Label values come from fixed sets, never from a client.
 * docs/metrics.md has the whole list; `process-metrics.ts` registers what is only read.
 */
import { Counter, Histogram, type Registry } from 'prom-client'
import {
  CANCEL_PHASES,
  type CancelPhase,
  type FailoverReason,
  type FaultReason,
  type SkipReason,
} from '../reasons.ts'
import type { BreakerState } from '../breaker.ts'
import { registerLogMetrics } from './log-metrics.ts'
import type { LogQueueStats } from '../log-queue.ts'
import { createTally, registerReading } from './tally.ts'

/**
 * `answered` by a lora, `fallback` after one was asked, `skipped` although a template matched,
 * `upstream` without a match, `passed` through because it is no chat completion, `unread` because
 * too many bodies were in memory, `refused` with an error of our own, `shed` because the proxy had too
 * much to do.
 */
const REQUEST_OUTCOMES = [
  'answered',
  'fallback',
  'skipped',
  'upstream',
  'passed',
  'unread',
  'refused',
  'shed',
] as const
export type RequestOutcome = (typeof REQUEST_OUTCOMES)[number]

export interface ProxyMetrics {
  request(outcome: RequestOutcome): void
  fallback(reason: FaultReason | SkipReason): void
  /** @param upstream a name of the upstreams file, whom another stands in for */
  failover(upstream: string, reason: FailoverReason): void
  /** by an answer of a lora; money null without a price */
  saved(promptTokens: number, usd: number | null): void
  /** from the complete request to the moment the upstream or the engine was asked */
  overhead(milliseconds: number): void
  /** the client of a chat completion left before it had the whole answer */
  cancelled(phase: CancelPhase): void
  /** @param status of the upstream's answer to a chat completion; 0 when there was none */
  upstreamAnswered(status: number): void
  engineAsked(engine: string): void
  engineDone(engine: string): void
  /** called once an engine */
  watchBreaker(engine: string, state: () => BreakerState): void
}

const OVERHEAD_BUCKETS_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25]

const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

const BREAKER_READINGS: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 }

const createRequestMetrics = (registry: Registry) => {
  const registers = [registry]
  const requests = createTally(
    registry,
    {
      name: 'promptintern_requests_total',
      help: 'Requests by what became of them',
      label: 'route',
    },
    REQUEST_OUTCOMES
  )
  const fallbacks = new Counter({
    name: 'promptintern_fallbacks_total',
    help: 'Requests with a live template that the upstream answered, by reason',
    labelNames: ['reason'],
    registers,
  })
  const failovers = new Counter({
    name: 'promptintern_upstream_failovers_total',
    help: 'Requests that another upstream was asked for, by the one that had no answer',
    labelNames: ['upstream', 'reason'],
    registers,
  })
  const overhead = new Histogram({
    name: 'promptintern_overhead_seconds',
    help: 'Time of our own before the upstream or the engine is asked',
    buckets: OVERHEAD_BUCKETS_SECONDS,
    registers,
  })
  return {
    request: (outcome: RequestOutcome) => void requests[outcome]++,
    fallback: (reason: FaultReason | SkipReason) => fallbacks.inc({ reason }),
    failover: (upstream: string, reason: FailoverReason) => failovers.inc({ upstream, reason }),
    overhead: (milliseconds: number) => overhead.observe(milliseconds / 1000),
  }
}

const createSavingMetrics = (registry: Registry) => {
  const registers = [registry]
  const tokens = new Counter({
    name: 'promptintern_prompt_tokens_saved_total',
    help: 'Prompt tokens that no model had to read',
    registers,
  })
  const usd = new Counter({
    name: 'promptintern_saved_usd_total',
    help: 'US dollars saved against the cached-input price, where there is a price',
    registers,
  })
  return {
    saved: (promptTokens: number, dollars: number | null) => {
      tokens.inc(promptTokens)
      // a price file may say that the lora's tokens cost more: a counter cannot fall
      if (dollars !== null && dollars > 0) usd.inc(dollars)
    },
  }
}

const createOutcomeMetrics = (registry: Registry) => {
  const cancellations = createTally(
    registry,
    {
      name: 'promptintern_cancellations_total',
      help: 'Chat completions whose client left before it had the whole answer',
      label: 'phase',
    },
    CANCEL_PHASES
  )
  const classes = createTally(
    registry,
    {
      name: 'promptintern_upstream_responses_total',
      help: 'Answers of the upstream to chat completions by class of status',
      label: 'class',
    },
    STATUS_CLASSES
  )
  return {
    cancelled: (phase: CancelPhase) => void cancellations[phase]++,
    upstreamAnswered: (status: number) =>
      void classes[STATUS_CLASSES[Math.floor(status / 100)] ?? 'none']++,
  }
}

const createEngineMetrics = (registry: Registry) => {
  const inFlight = new Map<string, number>()
  const breakers = new Map<string, () => BreakerState>()
  const add = (engine: string, more: number): void =>
    void inFlight.set(engine, (inFlight.get(engine) ?? 0) + more)
  registerReading(
    registry,
    {
      name: 'promptintern_engine_requests_in_flight',
      help: 'Requests that wait for a lora',
      label: 'engine',
    },
    () => inFlight
  )
  registerReading(
    registry,
    {
      name: 'promptintern_engine_breaker_state',
      help: '0 closed, 1 half-open: the next request tries, 2 open: nobody asks the engine',
      label: 'engine',
    },
    () => [...breakers].map(([engine, state]) => [engine, BREAKER_READINGS[state()]])
  )
  return {
    engineAsked: (engine: string) => add(engine, 1),
    engineDone: (engine: string) => add(engine, -1),
    watchBreaker: (engine: string, state: () => BreakerState) => void breakers.set(engine, state),
  }
}

export const createMetrics = (registry: Registry, logStats: () => LogQueueStats): ProxyMetrics => {
  registerLogMetrics(registry, logStats)
  return {
    ...createRequestMetrics(registry),
    ...createSavingMetrics(registry),
    ...createOutcomeMetrics(registry),
    ...createEngineMetrics(registry),
  }
}
