/** Decides whether a stage gets another job after a failed one. */
import type { JobObject } from '../../openai/fine-tuning.ts'

/** Failures of the machine: the same job may succeed later (docs/contract.md, "Crashes"). */
const PASSING = new Set(['engine_unavailable', 'store_unavailable'])
const MAX_JOBS = 3
/** A full disk or a lack of memory takes more than seconds to resolve. */
const PAUSE_MS = 60_000

export type AfterFailure = 'again' | 'wait' | 'give-up'

/**
 * @param jobs all jobs of the stage, newest first; the newest has failed or was cancelled
 * @param now milliseconds since the epoch
 */
export const afterFailure = (jobs: JobObject[], now: number): AfterFailure => {
  const [newest] = jobs
  const passes = newest?.status === 'failed' && PASSING.has(newest.error?.code ?? '')
  if (!passes || jobs.length >= MAX_JOBS) return 'give-up'
  const pausedMs = now - (newest.finished_at ?? 0) * 1000
  // the engine's clock may be ahead
  return pausedMs >= 0 && pausedMs < PAUSE_MS ? 'wait' : 'again'
}
