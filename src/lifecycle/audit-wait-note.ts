/** Why the audits of a live route wait for their judge or checker, for people to read. */
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'

/** Prefix of the snapshots. */
export const AUDIT_WAIT = 'audit-wait:'

type Snapshots = Pick<Store, 'snapshots'>

/** @returns null: they do not wait */
export const readAuditWait = (
  store: Snapshots,
  internalizationId: string
): Promise<string | null> => readJsonSnapshot<string>(store, AUDIT_WAIT + internalizationId)

/** @param reason null: they do not wait any more */
export const saveAuditWait = (
  store: Snapshots,
  internalizationId: string,
  reason: string | null
): Promise<void> => saveJsonSnapshot(store, AUDIT_WAIT + internalizationId, reason)
