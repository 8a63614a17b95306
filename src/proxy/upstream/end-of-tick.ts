/** Work that is put off until the event loop has read all input that has arrived. */

let waiting: (() => void)[] = []

const run = (): void => {
  const works = waiting
  waiting = []
  for (const work of works) work()
}

/**
 * Runs the work at the end of this tick of the event loop, after its input was handled, together with
 * all other work put off in the same tick and in the same order. Writes that go out together wake
 * their readers once instead of one by one.
 * @param work must not throw
 */
export const atEndOfTick = (work: () => void): void => {
  if (waiting.length === 0) setImmediate(run)
  waiting.push(work)
}
