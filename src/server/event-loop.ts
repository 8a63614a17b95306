/** How late the event loop is: for the metrics, and for the limit on new requests. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Load } from '../proxy/client/load.ts'
import type { EventLoopDelays } from '../proxy/metrics/process-metrics.ts'

/** Of the timer that measures the delays of the metrics. */
const METRICS_RESOLUTION_MS = 10
const LOAD_RESOLUTION_MS = 20
const LOAD_SAMPLE_MS = 1_000
const NANOSECONDS_A_MS = 1e6

export type EventLoopWatch = ReturnType<typeof watchEventLoop>

export const watchEventLoop = () => {
  const histogram = monitorEventLoopDelay({ resolution: METRICS_RESOLUTION_MS })
  histogram.enable()
  // the histogram records the time between two ticks of its timer, which includes the resolution
  const delayOf = (nanoseconds: number): number =>
    Math.max(0, nanoseconds / NANOSECONDS_A_MS - METRICS_RESOLUTION_MS) / 1000
  return {
    /** The delays in seconds since the last call. */
    read: (): EventLoopDelays => {
      const delays = {
        median: delayOf(histogram.percentile(50)),
        p99: delayOf(histogram.percentile(99)),
        max: delayOf(histogram.max),
      }
      histogram.reset()
      return delays
    },
    stop: (): void => void histogram.disable(),
  }
}

/**
 * Sets the load's delay once a second. Costs nothing a request. It is the mean of the second, so that
 * one long pause among many short ticks, such as garbage collection, counts little, and ticks that are
 * all long count in full.
 * @returns the function that stops it
 */
export const watchLoad = (load: Load, sampleMs = LOAD_SAMPLE_MS): (() => void) => {
  const ticks = monitorEventLoopDelay({ resolution: LOAD_RESOLUTION_MS })
  let sampledAt = performance.now()
  ticks.enable()
  const timer = setInterval(() => {
    const now = performance.now()
    // one measurement takes two ticks: without any, the loop was blocked for the whole sample
    const delayMs =
      ticks.count === 0 ? now - sampledAt : ticks.mean / NANOSECONDS_A_MS - LOAD_RESOLUTION_MS
    load.delayMs = Math.max(0, delayMs)
    sampledAt = now
    ticks.reset()
  }, sampleMs)
  return () => {
    clearInterval(timer)
    ticks.disable()
  }
}
