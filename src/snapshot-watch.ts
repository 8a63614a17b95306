/** Keeps a snapshot of the proxy's in step with the store, whoever changed it. */
import { toAppError } from './errors.ts'
import type { Logger } from './logger.ts'

const POLL_MS = 1_000

export interface SnapshotWatch<T> {
  snapshot: () => T
  /** whether the store answered when it was last asked */
  isCurrent: () => boolean
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
  logger: Pick<Logger, 'info' | 'error'>
): Promise<SnapshotWatch<T>> => {
  let seen = await revision()
  let snapshot = await read()
  let current = true
  const refresh = async (): Promise<void> => {
    const newest = await revision()
    if (newest === seen) return
    snapshot = await read()
    seen = newest
    logger.info({ revision: newest }, `${name} replaced`)
  }
  const poll = async (): Promise<void> => {
    try {
      await refresh()
      current = true
    } catch (error) {
      current = false
      logger.error({ error: toAppError(error).message }, `${name} not current`)
    }
  }
  let polling: Promise<void> | null = null
  const timer = setInterval(() => {
    // of two polls at once the slower one could bring back what was replaced
    polling ??= poll().finally(() => {
      polling = null
    })
  }, POLL_MS)
  return { snapshot: () => snapshot, isCurrent: () => current, stop: () => clearInterval(timer) }
}
