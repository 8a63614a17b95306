/**
 * Prometheus metrics of the hot path. Label values come from fixed sets, never from a client.
 * docs/metrics.md lists all metrics; `process-metrics.ts` has those that are only read.
 */
import { Counter, Histogram, type Registry, type Registry as MetricsRegistry } from 'prom-client'
import {
  CANCEL_PHASES,
  REQUEST_OUTCOMES,
  type CancelPhase,
  type FailoverReason,
  type FaultReason,
  type RequestOutcome,
  type SkipReason,
} from '../reasons.ts'
import type { BreakerState } from '../breaker.ts'
import { createTally, registerReading } from './tally.ts'
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { AppError } from '../../errors.ts'

export type { MetricsRegistry }

/**
 * Whether the `authorization` header of a request has the admin token.
 * @param env undefined for a request without a connection
 * @throws AppError `rate-limited` for a sender of many wrong tokens
 */
export type MayReadMetrics = (
  authorization: string | undefined,
  env: HttpBindings | undefined
) => boolean

export const createMetricsApp = (
  registry: MetricsRegistry,
  mayReadMetrics: MayReadMetrics
): Hono<{ Bindings: HttpBindings }> =>
  new Hono<{ Bindings: HttpBindings }>().get('/', async (context) => {
    if (!mayReadMetrics(context.req.header('authorization'), context.env))
      throw new AppError(
        'unauthorized',
        'metrics need the admin token as authorization: Bearer <token>'
      )
    return context.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })

export type ProxyMetrics = ReturnType<typeof createMetrics>

const OVERHEAD_BUCKETS_SECONDS = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.05, 0.25]

const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const

const BREAKER_READINGS: Record<BreakerState, number> = { closed: 0, 'half-open': 1, open: 2 }

const createRequestMetrics = (registry: Registry) => {
  const registers = [registry]
  const requests = createTally(
    registry,
    { name: 'promptintern_requests_total', help: 'Requests by their outcome', label: 'route' },
    REQUEST_OUTCOMES
  )
  const forwarded = new Counter({
    name: 'promptintern_forwarded_total',
    help: 'Requests with a live template that the upstream answered, by reason',
    labelNames: ['reason'],
    registers,
  })
  const failovers = new Counter({
    name: 'promptintern_upstream_failovers_total',
    help: 'Requests sent to another upstream, by the upstream that had no answer',
    labelNames: ['upstream', 'reason'],
    registers,
  })
  const overhead = new Histogram({
    name: 'promptintern_overhead_seconds',
    help: 'Time of the proxy itself before it asks the upstream or the engine',
    buckets: OVERHEAD_BUCKETS_SECONDS,
    registers,
  })
  return {
    request: (outcome: RequestOutcome) => void requests[outcome]++,
    /** a request with a live template that the upstream answered */
    forwarded: (reason: FaultReason | SkipReason) => forwarded.inc({ reason }),
    /** @param upstream that had no answer, by its name in the upstreams file */
    failover: (upstream: string, reason: FailoverReason) => failovers.inc({ upstream, reason }),
    /** from the complete request until the upstream or the engine is asked */
    overhead: (milliseconds: number) => overhead.observe(milliseconds / 1000),
  }
}

const createSavingMetrics = (registry: Registry) => {
  const registers = [registry]
  const tokens = new Counter({
    name: 'promptintern_prompt_tokens_saved_total',
    help: 'Prompt tokens that were left out of requests to loras',
    registers,
  })
  return {
    /** by an answer of a lora */
    saved: (promptTokens: number) => tokens.inc(promptTokens),
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
      help: 'Answers of the upstream to chat completions, by class of status',
      label: 'class',
    },
    STATUS_CLASSES
  )
  return {
    cancelled: (phase: CancelPhase) => void cancellations[phase]++,
    /** @param status of the upstream's answer to a chat completion; 0 when there was none */
    upstreamAnswered: (status: number) =>
      void classes[STATUS_CLASSES[Math.floor(status / 100)] ?? 'none']++,
  }
}

const createEngineMetrics = (registry: Registry) => {
  const inFlight = new Map<string, number>()
  const breakers = new Map<string, () => BreakerState>()
  const labels = ['engine']
  const add = (engine: string, more: number): void =>
    void inFlight.set(engine, (inFlight.get(engine) ?? 0) + more)
  registerReading(
    registry,
    {
      type: 'gauge',
      name: 'promptintern_engine_requests_in_flight',
      help: 'Requests that wait for a lora',
      labels,
    },
    () => [...inFlight].map(([engine, count]) => [{ engine }, count])
  )
  registerReading(
    registry,
    {
      type: 'gauge',
      name: 'promptintern_engine_breaker_state',
      help: '0 closed, 1 half-open: the next request probes the engine, 2 open: it is not asked',
      labels,
    },
    () => [...breakers].map(([engine, state]) => [{ engine }, BREAKER_READINGS[state()]])
  )
  return {
    engineAsked: (engine: string) => add(engine, 1),
    engineDone: (engine: string) => add(engine, -1),
    /** called once an engine */
    watchBreaker: (engine: string, state: () => BreakerState) => void breakers.set(engine, state),
  }
}

export const createMetrics = (registry: Registry) => ({
  ...createRequestMetrics(registry),
  ...createSavingMetrics(registry),
  ...createOutcomeMetrics(registry),
  ...createEngineMetrics(registry),
})
