/**
 * Locks that a transaction holds until its end. They are the database's, so all proxies and workers share
 * them; a lock of a session would be lost, or never released, behind a pooler.
 */
import type { Transaction } from './database.ts'

/** Keeps our locks apart from those of other programs in the database: 'pint'. */
const OURS = 0x70_69_6e_74

const LOCKS = { migration: 1, days: 2, log: 3, feedback: 4, routes: 5 } as const

type Lock = keyof typeof LOCKS

/** SQL that waits for the lock; shared holders keep out those that want it alone. */
export const lockSql = (lock: Lock, mode: 'shared' | 'alone' = 'alone'): string =>
  `select pg_advisory_xact_lock${mode === 'shared' ? '_shared' : ''}(${OURS}, ${LOCKS[lock]})`

export const takeLock = async (tx: Transaction, lock: Lock): Promise<void> => {
  await tx.$client.query(lockSql(lock))
}
