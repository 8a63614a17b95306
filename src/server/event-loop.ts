/** How late the event loop is, measured by a timer of its own. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { EventLoopDelays } from '../proxy/metrics/process-metrics.ts'

const EVERY_MS = 10
const NANOSECONDS = 1e9

export interface EventLoopWatch {
  /** Begins a new period. */
  read(): EventLoopDelays
  stop(): void
}

export const watchEventLoop = (): EventLoopWatch => {
  const histogram = monitorEventLoopDelay({ resolution: EVERY_MS })
  histogram.enable()
  // what is recorded is the time between two ticks, which is never less than the pause
  const delayOf = (nanoseconds: number): number =>
    Math.max(0, nanoseconds / NANOSECONDS - EVERY_MS / 1000)
  return {
    read: () => {
      const delays = {
        median: delayOf(histogram.percentile(50)),
        p99: delayOf(histogram.percentile(99)),
        max: delayOf(histogram.max),
      }
      histogram.reset()
      return delays
    },
    stop: () => histogram.disable(),
  }
}
