/** Metrics that cost the hot path nothing: they are read from other parts when somebody asks. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { ReportFault, ServerFault } from '../../fault-log.ts'
import { TOKEN_KINDS, type UsageTotals } from '../../core/log/usage-totals.ts'
import { registerReading } from './tally.ts'

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
  /** of the records that this process has logged; may fail with the store */
  usage: () => Promise<UsageTotals>
  fault: ReportFault<ServerFault>
  eventLoop: () => EventLoopDelays
  /** engines by name, and whether they answered when they were last asked */
  engines: () => [name: string, isReachable: boolean][]
}

/** Prometheus' names have no capitals. */
const LABELS: Record<(typeof TOKEN_KINDS)[number], string> = {
  input: 'input',
  cachedInput: 'cached_input',
  cacheWrite: 'cache_write',
  output: 'output',
  reasoning: 'reasoning',
}

const ANSWERERS = ['upstream', 'lora'] as const

type Labeled = [labels: Record<string, string>, value: number]

/** Without the store the last figures stand; readiness says that it is away. */
const registerUsage = (
  registry: Registry,
  { usage, fault }: Pick<ProcessReadings, 'usage' | 'fault'>,
  { name, help, labels }: { name: string; help: string; labels: string[] },
  valuesOf: (totals: UsageTotals) => Labeled[]
): void => {
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: labels,
    registers: [registry],
    collect: async () => {
      const totals = await usage().catch((error: unknown) => {
        fault('usage-totals', error)
        return null
      })
      if (totals === null) return
      counter.reset()
      for (const [labeled, value] of valuesOf(totals)) counter.inc(labeled, value)
    },
  })
}

const tokensOf = (totals: UsageTotals): Labeled[] =>
  ANSWERERS.flatMap((by) =>
    TOKEN_KINDS.map((kind): Labeled => [{ by, kind: LABELS[kind] }, totals[by][kind]])
  )

export const registerProcessMetrics = (registry: Registry, readings: ProcessReadings): void => {
  const { inFlight, bodyBytes, eventLoop, engines } = readings
  registerUsage(
    registry,
    readings,
    {
      name: 'promptintern_tokens_total',
      help: 'Tokens of logged answers as their usage says',
      labels: ['by', 'kind'],
    },
    tokensOf
  )
  registerUsage(
    registry,
    readings,
    {
      name: 'promptintern_answers_without_usage_total',
      help: 'Logged answers of which nobody counted the tokens',
      labels: ['by'],
    },
    (totals) => ANSWERERS.map((by) => [{ by }, totals[by].unknown])
  )
  const requests: Gauge = new Gauge({
    name: 'promptintern_in_flight_requests',
    help: 'Requests that are being answered',
    registers: [registry],
    collect: () => requests.set(inFlight()),
  })
  const bodies: Gauge = new Gauge({
    name: 'promptintern_bodies_in_flight_bytes',
    help: 'Request bodies of chat completions in memory',
    registers: [registry],
    collect: () => bodies.set(bodyBytes()),
  })
  registerReading(
    registry,
    {
      name: 'promptintern_engine_reachable',
      help: '1 when the engine answered when it was last asked, else 0',
      label: 'engine',
    },
    () => engines().map(([name, isReachable]) => [name, Number(isReachable)])
  )
  registerReading(
    registry,
    {
      name: 'promptintern_event_loop_delay_seconds',
      help: 'How late the event loop was since the last scrape',
      label: 'quantile',
    },
    () => {
      const { median, p99, max } = eventLoop()
      return [
        ['0.5', median],
        ['0.99', p99],
        ['1', max],
      ]
    }
  )
}
