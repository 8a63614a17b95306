/** Tells the proxy's load how late the event loop is. Costs nothing a request. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Load } from '../proxy/client/load.ts'

const RESOLUTION_MS = 20
const SAMPLE_MS = 1_000

/**
 * The mean of a second: one long pause among many short turns, such as the collector's, counts little;
 * turns that are all long count in full.
 * @returns what ends it
 */
export const watchLoad = (load: Load, sampleMs = SAMPLE_MS): (() => void) => {
  const ticks = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  let sampledAt = performance.now()
  ticks.enable()
  const timer = setInterval(() => {
    const now = performance.now()
    // it takes two ticks to measure: a loop that made fewer was away for all of the time
    const delayMs = ticks.count === 0 ? now - sampledAt : ticks.mean / 1e6 - RESOLUTION_MS
    load.delayMs = Math.max(0, delayMs)
    sampledAt = now
    ticks.reset()
  }, sampleMs)
  return () => {
    clearInterval(timer)
    ticks.disable()
  }
}
