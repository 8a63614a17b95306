/** What a template waits for before the worker internalizes it, in words. Pure. */
import { whole } from '../figure-text.ts'

/** Counts of its requests, of bought answers, and of those that a lora answered, from which none is learned. */
interface Counts {
  requests: number
  bought: number
  answered: number
}

/** @param needed requests that the upstream answered (`AdminDeps.neededRequests`) @returns 0: enough */
export const missingRequests = ({ requests, bought, answered }: Counts, needed: number): number =>
  Math.max(0, needed - (requests + bought - answered))

/** Repeats give one row, so as many requests as are needed may still be too few. */
export const missingText = (stats: Counts, needed: number): string => {
  const missing = missingRequests(stats, needed)
  return missing === 0
    ? 'has enough requests, unless many repeat each other'
    : `needs ${whole(missing)} more requests`
}
