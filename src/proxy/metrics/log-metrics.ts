/** Metrics of the log queue: its own counts, copied when somebody asks. */
import { Counter, Gauge, type Registry } from 'prom-client'
import type { LogQueueStats } from '../log-queue.ts'

type Reading = [name: string, help: string, read: (stats: LogQueueStats) => number]

const GAUGES: Reading[] = [
  ['promptintern_log_queued_records', 'Records waiting for the store', ({ queued }) => queued],
  ['promptintern_log_queued_bytes', 'Memory of their batches', ({ queuedBytes }) => queuedBytes],
]

const COUNTERS: Reading[] = [
  ['promptintern_log_written_total', 'Records the store has taken', ({ written }) => written],
  ['promptintern_log_dropped_total', 'Records dropped: store too slow', ({ dropped }) => dropped],
  [
    'promptintern_log_store_failures_total',
    'Batches refused',
    ({ storeFailures }) => storeFailures,
  ],
]

export const registerLogMetrics = (registry: Registry, stats: () => LogQueueStats): void => {
  const registers = [registry]
  for (const [name, help, read] of GAUGES) {
    const gauge: Gauge = new Gauge({
      name,
      help,
      registers,
      collect: () => gauge.set(read(stats())),
    })
  }
  for (const [name, help, read] of COUNTERS) {
    const counter: Counter = new Counter({
      name,
      help,
      registers,
      collect: () => {
        counter.reset()
        counter.inc(read(stats()))
      },
    })
  }
}
