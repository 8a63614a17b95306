/** Keeps a snapshot of the proxy's in step with the store, whoever changed it. */
import { AppError } from '../errors.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { Logger } from '../process/logger.ts'

/** A change of another process is in force two seconds later, if the store answers within 0.75 s. */
const POLL_MS = 500

export interface SnapshotWatch<T> {
  snapshot: () => T
  /** whether the store answered when it was last asked */
  isCurrent: () => boolean
  /**
   * Resolves when the snapshot is at least as new as the call.
   * @throws AppError `store-unavailable`; the snapshot follows as soon as the store answers
   */
  refresh(): Promise<void>
  stop(): void
}

export interface SnapshotSource<T> {
  /** for the log */
  name: string
  /** changes whenever the snapshot would */
  revision: () => Promise<number>
  read: () => Promise<T>
}

/** Keeps the newest snapshot; a store that cannot be read leaves the last one in place. */
export const watchSnapshot = async <T>(
  { name, revision, read }: SnapshotSource<T>,
  logger: Pick<Logger, 'info'>,
  fault: ReportFault<ServerFault>
): Promise<SnapshotWatch<T>> => {
  let seen = await revision()
  let snapshot = await read()
  let current = true
  const update = async (): Promise<void> => {
    try {
      const newest = await revision()
      if (newest !== seen) {
        snapshot = await read()
        seen = newest
        logger.info({ revision: newest }, `${name} replaced`)
      }
      current = true
    } catch (error) {
      current = false
      fault('snapshot', error, { name })
      throw error
    }
  }
  // of two updates at once the slower one could bring back what was replaced
  let last: Promise<void> = Promise.resolve()
  let waiting = 0
  const inTurn = (): Promise<void> => {
    waiting++
    const next = last.then(update).finally(() => waiting--)
    last = next.catch(() => {}) // its caller has it, and it is reported
    return next
  }
  const timer = setInterval(() => {
    if (waiting === 0) void inTurn().catch(() => {}) // reported; the next poll tries again
  }, POLL_MS)
  return {
    snapshot: () => snapshot,
    isCurrent: () => current,
    refresh: () =>
      inTurn().catch((cause: unknown) => {
        throw new AppError(
          'store-unavailable',
          `the ${name} cannot be read: what was decided is stored, and comes into force when it can`,
          { cause }
        )
      }),
    stop: () => clearInterval(timer),
  }
}
