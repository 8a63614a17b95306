/** What can wait until the event loop has read all that is there to read. */

let waiting: (() => void)[] = []

const run = (): void => {
  const works = waiting
  waiting = []
  for (const work of works) work()
}

/**
 * Runs the work when this turn of the event loop has handled its input, with all other work put off in
 * it, in the order given. Writes that go out together wake their readers once instead of one by one.
 * @param work must not throw
 */
export const atEndOfTurn = (work: () => void): void => {
  if (waiting.length === 0) setImmediate(run)
  waiting.push(work)
}
