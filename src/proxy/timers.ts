/** Time that passes, as a dependency of every part that waits. */

/** Runs the work once after so many milliseconds. @returns cancels it */
export type SetTimer = (ms: number, work: () => void) => () => void

/** Node's own timers. */
export const systemTimer: SetTimer = (ms, work) => {
  const timer = setTimeout(work, ms)
  return () => clearTimeout(timer)
}
