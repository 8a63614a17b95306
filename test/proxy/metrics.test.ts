import { Registry } from 'prom-client'
import { afterEach, describe, expect, it } from 'vitest'
import { addUsage, noUsage } from '../../src/core/log/usage-totals.ts'
import {
  registerProcessMetrics,
  type ProcessReadings,
} from '../../src/proxy/metrics/process-metrics.ts'
import { exampleOutcome, exampleRecord } from '../kit/records/examples.ts'
import {
  chatBody,
  eventually,
  respondEvents,
  respondJson,
  startHarness,
  type Harness,
} from '../kit/proxy/harness.ts'

let harness: Harness | undefined
afterEach(async () => {
  await harness?.close()
  harness = undefined
})

const metricsOf = ({ registry }: { registry: Registry }): Promise<string> => registry.metrics()

describe('metrics of chat completions', () => {
  it('count answers of the upstream by class', async () => {
    harness = await startHarness()
    for (const status of [200, 201, 429, 503]) {
      harness.upstream.respond = respondJson({}, status)
      await harness.send(chatBody('hi'))
    }
    harness.upstream.respond = (_request, response) => response.destroy()
    await harness.send(chatBody('hi'))
    const text = await metricsOf(harness)
    for (const [name, count] of Object.entries({ none: 1, '2xx': 2, '3xx': 0, '4xx': 1, '5xx': 1 }))
      expect(text).toContain(`promptintern_upstream_responses_total{class="${name}"} ${count}`)
  })

  it('count clients that leave before the answer and in it', async () => {
    harness = await startHarness()
    const { upstream } = harness
    upstream.respond = () => {}
    await harness.leave(() => upstream.requests.length === 1)
    upstream.respond = respondEvents('data: {}\n\n', { end: false })
    await harness.send(chatBody('hi', { stream: true }), { onData: (request) => request.destroy() })
    await eventually(() => upstream.aborted === 2)
    const text = await metricsOf(harness)
    expect(text).toContain('promptintern_cancellations_total{phase="before-answer"} 1')
    expect(text).toContain('promptintern_cancellations_total{phase="during-answer"} 1')
  })
})

const faults: string[] = []

const eventLoop = () => ({ median: 0.001, p99: 0.02, max: 0.3 })

const register = (usage: ProcessReadings['usage']): Registry => {
  const registry = new Registry()
  registerProcessMetrics(registry, {
    inFlight: () => 3,
    bodyBytes: () => 42,
    log: () => ({ queued: 1, queuedBytes: 2, written: 3, dropped: 4, storeFailures: 5 }),
    storeIsUp: () => true,
    routesAgeMs: () => 1500,
    usage,
    fault: (kind) => faults.push(kind),
    eventLoop,
    engines: () => [['hand', false]],
  })
  return registry
}

describe('metrics that are read', () => {
  it('show tokens by kind and answerer, bodies in memory and the event loop', async () => {
    const totals = noUsage()
    for (const record of [
      exampleRecord(1),
      exampleRecord(2, { usage: null }),
      exampleRecord(3, { route: exampleOutcome() }),
    ])
      addUsage(totals, { ...record, head: record })
    const text = await register(() => Promise.resolve(totals)).metrics()
    expect(text).toContain('promptintern_in_flight_requests 3')
    expect(text).toContain('promptintern_tokens_total{by="upstream",kind="input"} 801')
    expect(text).toContain('promptintern_tokens_total{by="lora",kind="output"} 4')
    expect(text).toContain('promptintern_answers_without_usage_total{by="upstream"} 1')
    expect(text).toContain('promptintern_engine_reachable{engine="hand"} 0')
    expect(text).toContain('promptintern_bodies_in_flight_bytes 42')
    expect(text).toContain('promptintern_routes_age_seconds 1.5')
    for (const line of ['queued_records 1', 'queued_bytes 2', 'written_total 3', 'dropped_total 4'])
      expect(text).toContain(`promptintern_log_${line}\n`)
    expect(text).toContain('promptintern_log_store_failures_total 5')
    expect(text).toContain('promptintern_event_loop_delay_seconds{quantile="0.99"} 0.02')
  })

  it('stand still while the store is away', async () => {
    const totals = noUsage()
    totals.upstream.input = 5
    let isAway = false
    const registry = register(async () => {
      if (isAway) throw new Error('away')
      return totals
    })
    const line = 'promptintern_tokens_total{by="upstream",kind="input"} 5'
    expect(await registry.metrics()).toContain(line)
    isAway = true
    expect(await registry.metrics()).toContain(line)
    // one for each of the two metrics that ask the store
    expect(faults).toEqual(['usage-totals', 'usage-totals'])
  })
})
