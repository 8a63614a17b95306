/**
 * Reads that a standby may answer, because their result may be some seconds old. The primary answers where the
 * standby is away, is too far behind, or fails. How far it is behind is measured against the primary: the time
 * of the last transaction that it replayed alone would grow while nothing is written, and a standby that lost
 * its primary believes that it has replayed everything.
 */
import { AppError } from '../../errors.ts'
import { inTime, type SetTimer } from '../../timers.ts'
import type { Connection } from './base/database.ts'

/** A standby that shows the log as it was longer ago is not asked, milliseconds. */
const MAX_LAG_MS = 5_000
/** how long a measurement is good */
const CHECK_MS = 1_000
/** for the standby's answer to one */
const ANSWER_MS = 2_000
/** A standby that failed is not asked for so long. */
const PAUSE_MS = 10_000

export interface Replica {
  /** By the standby where it is fresh enough, else by the primary, whose errors are thrown. */
  read: <T>(ofStandby: () => Promise<T>, ofPrimary: () => Promise<T>) => Promise<T>
  /** Later reads see what is written now. */
  noteWrite: () => void
}

export interface ReplicaDeps {
  primary: Connection
  standby: Connection
  /** milliseconds; a clock that cannot be set back */
  now: () => number
  setTimer: SetTimer
  /** takes why the standby is not asked, once until it is asked again */
  report: (error: unknown) => void
}

interface Position {
  /** in the write-ahead log */
  end: string
  /** milliseconds since the epoch, by the primary's clock */
  at: number
}

/** How many milliseconds the standby is behind the primary; infinite when that is not known. */
const lagBehind = async ({ read }: Connection, { end, at }: Position): Promise<number> => {
  const rows = await read(async ({ $client }) => {
    const found = await $client.query<{ hasAll: boolean | null; replayedAt: number | null }>(
      `select pg_last_wal_replay_lsn() >= $1::pg_lsn as "hasAll",
        (extract(epoch from pg_last_xact_replay_timestamp()) * 1000)::float8 as "replayedAt"`,
      [end]
    )
    return found.rows
  })
  const { hasAll, replayedAt } = rows[0]!
  if (hasAll === true) return 0
  return replayedAt === null ? Infinity : Math.max(0, at - replayedAt)
}

const positionOf = async ({ read }: Connection): Promise<Position> => {
  const rows = await read(async ({ $client }) => {
    const found = await $client.query<Position>(
      `select pg_current_wal_lsn()::text as end,
        (extract(epoch from clock_timestamp()) * 1000)::float8 as at`
    )
    return found.rows
  })
  return rows[0]!
}

const lagInTime = ({ standby, setTimer }: ReplicaDeps, position: Position): Promise<number> =>
  inTime(lagBehind(standby, position), { limitMs: ANSWER_MS, setTimer, of: 'the replica' })

const tooFarBehind = (lagMs: number): AppError =>
  new AppError(
    'store-unavailable',
    `the replica is ${Math.round(lagMs / 1000)} s behind: the primary answers in its place`
  )

export const createReplica = (deps: ReplicaDeps): Replica => {
  const { primary, now, report } = deps
  /** the standby shows the log at least as it was then */
  let freshAsOf = -Infinity
  let checkedAt = -Infinity
  let pausedUntil = -Infinity
  let notBefore = -Infinity
  let isUsed = true
  let checking: Promise<void> | null = null

  const isFresh = (): boolean => freshAsOf >= Math.max(now() - MAX_LAG_MS, notBefore)

  const giveUp = (error: unknown): void => {
    pausedUntil = now() + PAUSE_MS
    freshAsOf = -Infinity
    if (isUsed) report(error)
    isUsed = false
  }

  const check = async (): Promise<void> => {
    const askedAt = now()
    const position = await positionOf(primary)
    try {
      const lagMs = await lagInTime(deps, position)
      checkedAt = askedAt
      freshAsOf = askedAt - lagMs
      if (lagMs > MAX_LAG_MS) giveUp(tooFarBehind(lagMs))
    } catch (error) {
      giveUp(error)
    }
  }

  const mayAsk = async (): Promise<boolean> => {
    if (now() < pausedUntil) return false
    if (now() - checkedAt > CHECK_MS || !isFresh())
      await (checking ??= check().finally(() => (checking = null)))
    return isFresh()
  }

  return {
    read: async (ofStandby, ofPrimary) => {
      if (!(await mayAsk())) return ofPrimary()
      try {
        const result = await ofStandby()
        isUsed = true
        return result
      } catch (error) {
        // an object that is not there yet is not found, and is no fault of the standby
        if (!(error instanceof AppError) || error.code === 'store-unavailable') giveUp(error)
        return ofPrimary()
      }
    },
    noteWrite: () => (notBefore = now()),
  }
}
