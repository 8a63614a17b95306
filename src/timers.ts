/** Time that passes, as a dependency of every part that waits. */
import { AppError } from './errors.ts'

/** Runs the work once after so many milliseconds. @returns cancels it */
export type SetTimer = (ms: number, work: () => void) => () => void

/** Node's own timers. */
export const systemTimer: SetTimer = (ms, work) => {
  const timer = setTimeout(work, ms)
  return () => clearTimeout(timer)
}

export interface TimeLimit {
  limitMs: number
  setTimer: SetTimer
  /** whose work it is, for the message */
  of?: string
}

/**
 * The work of a store, which goes on where it takes longer; after the limit nothing waits for it any more.
 * @throws AppError `store-unavailable` then
 */
export const inTime = <T>(
  work: Promise<T>,
  { limitMs, setTimer, of = 'the store' }: TimeLimit
): Promise<T> =>
  new Promise((resolve, reject) => {
    const message = `${of} did not answer within ${limitMs} ms`
    const cancel = setTimer(limitMs, () => reject(new AppError('store-unavailable', message)))
    void work.then(resolve, reject).finally(cancel)
  })
