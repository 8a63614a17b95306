/** Keeps a snapshot of stored data up to date, also when another process changes the store. */
import { AppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { Logger } from '../process/logger.ts'

/** A change by another process takes effect within two seconds if the store answers within 0.75 s. */
const POLL_MS = 500

/** A store that has not answered for so long may be lost, although no read has failed yet. */
const MAX_SILENCE_MS = 5_000

/** A clock that cannot be set back. */
const monotonicNow = (): number => performance.now()

export type SnapshotWatch<T> = Awaited<ReturnType<typeof watchSnapshot<T>>>

export interface SnapshotSource<T> {
  /** the name in log lines and errors */
  name: string
  /** changes whenever the data change */
  revision: () => Promise<number>
  read: () => Promise<T>
}

const unreadable = (name: string, cause: unknown): AppError =>
  new AppError(
    'store-unavailable',
    `the ${name} cannot be read: the decision is stored and takes effect when the store answers again`,
    { cause }
  )

/** Polls the store. While the store cannot be read, the last snapshot stays. @param now milliseconds */
export const watchSnapshot = async <T>(
  { name, revision, read }: SnapshotSource<T>,
  logger: Pick<Logger, 'info'>,
  fault: ReportFault<ServerFault>,
  now: () => number = monotonicNow
) => {
  let confirmedAt = now()
  let seen = await revision()
  let snapshot = await read()
  let current = true
  const update = async (): Promise<void> => {
    const askedAt = now()
    try {
      const newest = await revision()
      if (newest !== seen) {
        snapshot = await read()
        seen = newest
        logger.info({ revision: newest }, `${name} replaced`)
      }
      current = true
      confirmedAt = askedAt
    } catch (error) {
      current = false
      fault('snapshot', error, { name })
      throw error
    }
  }
  const ageMs = (): number => now() - confirmedAt
  // updates run one after another: of two at once, the slower one could restore older data
  let last: Promise<void> = Promise.resolve()
  let waiting = 0
  const enqueueUpdate = (): Promise<void> => {
    waiting++
    const next = last.then(update).finally(() => waiting--)
    last = next.catch(() => {}) // the caller gets the error, and the fault is reported
    return next
  }
  const timer = setInterval(() => {
    if (waiting === 0) void enqueueUpdate().catch(() => {}) // reported; the next poll retries
  }, POLL_MS)
  return {
    snapshot: (): T => snapshot,
    /** whether the last read of the store succeeded, and was not long ago */
    isCurrent: (): boolean => current && ageMs() <= MAX_SILENCE_MS,
    /** milliseconds since the store was last asked and confirmed the snapshot, or gave it */
    ageMs,
    /**
     * Resolves when the snapshot is at least as new as the call.
     * @throws AppError `store-unavailable`; the snapshot is updated as soon as the store answers
     */
    refresh: (): Promise<void> =>
      enqueueUpdate().catch((cause: unknown) => {
        throw unreadable(name, cause)
      }),
    stop: (): void => clearInterval(timer),
  }
}
