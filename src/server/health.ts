/** Checks log, engine and routes periodically, so that no request has to wait for a check. */
import { AppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { LogQueueStats } from '../proxy/log-queue.ts'

export type Health = ReturnType<typeof watchHealth>

export interface HealthOptions {
  logStats: () => LogQueueStats
  engine: { models(): Promise<unknown> } | null
  /** time since the routes were confirmed, and the limit of it, milliseconds */
  routes: { ageMs: () => number; maxAgeMs: number }
  fault: ReportFault<ServerFault>
}

const EVERY_MS = 5000
/** limit of the engine's answer */
const TIMEOUT_MS = 5000

const isStuck = (before: LogQueueStats, after: LogQueueStats): boolean =>
  after.dropped > before.dropped && after.written === before.written

const tooOld = (ageMs: number): AppError =>
  new AppError(
    'store-unavailable',
    `the store has not confirmed the routes for ${Math.round(ageMs / 1000)} s: no lora answers until it does`
  )

export const watchHealth = ({ logStats, engine, routes, fault }: HealthOptions) => {
  let stats = logStats()
  let isTaken = true
  // the server starts after its engine, so the engine is reachable at first
  let isReachable = engine === null ? null : true
  let isAsking = false
  let wereGood = true
  const checkRoutes = (): void => {
    const ageMs = routes.ageMs()
    const areGood = ageMs <= routes.maxAgeMs
    if (wereGood && !areGood) fault('routes-too-old', tooOld(ageMs))
    wereGood = areGood
  }
  const askEngine = async (asked: NonNullable<HealthOptions['engine']>): Promise<void> => {
    if (isAsking) return
    isAsking = true
    const answered = asked.models().then(
      () => null,
      (error: unknown) => error
    )
    void answered.finally(() => (isAsking = false))
    const tooLate = new AppError(
      'engine-timeout',
      `the engine did not answer within ${TIMEOUT_MS} ms`
    )
    const late = new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS, tooLate).unref())
    const error = await Promise.race([answered, late])
    // only the change is reported, not every failed check
    if (error !== null && isReachable === true) fault('engine-away', error)
    isReachable = error === null
  }
  const timer = setInterval(() => {
    const newest = logStats()
    // if nothing was dropped or written, the last state holds
    if (newest.dropped > stats.dropped || newest.written > stats.written)
      isTaken = !isStuck(stats, newest)
    stats = newest
    checkRoutes()
    if (engine !== null) void askEngine(engine)
  }, EVERY_MS)
  return {
    /** false while records are dropped and none is written; a burst that drops some is not a fault */
    logIsTaken: (): boolean => isTaken,
    /** whether the engine answered the last check; null without an engine */
    engineIsReachable: (): boolean | null => isReachable,
    stop: (): void => clearInterval(timer),
  }
}
