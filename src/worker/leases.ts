/**
 * What this worker may do while other workers run on the same store, on this machine or on others. Whoever
 * holds the lease `LEAD` does what is done once: detection, forgetting, watching routes. An internalization is
 * advanced by the holder of its lease. A worker that stood still, and whose lease has passed on, can write nothing.
 */
import type { Lease, OpenStore, Store } from '../store/store.ts'
import type { WorkerDeps } from './deps.ts'

export const LEAD = 'lead'

/** How long work stands still when its worker has died and does not start again. */
const TTL_MS = 15_000
const RENEW_EVERY_MS = 5_000

export interface HeldLease {
  /** Its writes are refused once the lease has passed on. */
  store: Store
  /** Aborts when the lease has passed on or was released. */
  signal: AbortSignal
}

export interface LeaseDeps extends Pick<WorkerDeps, 'now' | 'sleep' | 'log' | 'fault'> {
  store: Pick<OpenStore, 'leases' | 'under'>
  /** At most one process has it at a time: one that starts again after a crash takes its own leases over. */
  workerId: string
}

interface Entry {
  lease: Lease
  held: HeldLease
  ended: AbortController
  /** before the renewal was asked for */
  renewedAt: number
}

export class WorkerLeases {
  private readonly entries = new Map<string, Entry>()

  constructor(private readonly deps: LeaseDeps) {}

  /**
   * Acquires the lease, or renews it. @returns the same object as long as it did not pass on in between; null while
   * another worker holds it
   */
  async hold(name: string): Promise<HeldLease | null> {
    const known = this.entries.get(name)
    if (known !== undefined && (await this.isKept(known))) return known.held
    const { store, workerId, now } = this.deps
    const renewedAt = now()
    const lease = await store.leases.acquire(name, workerId, TTL_MS)
    if (lease === null) return null
    const ended = new AbortController()
    const held = { store: store.under(lease), signal: ended.signal }
    this.entries.set(name, { lease, held, ended, renewedAt })
    return held
  }

  /** Releases held leases, without those of the names. */
  async releaseOthers(names: Set<string>): Promise<void> {
    for (const [name, entry] of this.entries) {
      if (names.has(name)) continue
      this.drop(entry)
      await this.deps.store.leases.release(entry.lease)
    }
  }

  /** Renews the held leases until the signal aborts, because work may take longer than a lease. Never rejects. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.deps.sleep(RENEW_EVERY_MS, signal)
      if (signal.aborted) return
      try {
        for (const entry of this.entries.values()) await this.renew(entry)
      } catch (error) {
        // it may be held still: the database will say
        this.deps.fault('lease', error)
      }
    }
  }

  /** Releases all of them. */
  close(): Promise<void> {
    return this.releaseOthers(new Set())
  }

  private async isKept(entry: Entry): Promise<boolean> {
    if (entry.ended.signal.aborted) return false
    // also after the clock was set back
    const age = Math.abs(this.deps.now() - entry.renewedAt)
    return age < RENEW_EVERY_MS || this.renew(entry)
  }

  private async renew(entry: Entry): Promise<boolean> {
    const { store, now, log } = this.deps
    const renewedAt = now()
    if (await store.leases.renew(entry.lease, TTL_MS)) {
      entry.renewedAt = renewedAt
      return true
    }
    // `keep` and `hold` may have asked at the same time
    if (entry.ended.signal.aborted) return false
    this.drop(entry)
    const { name } = entry.lease
    log({
      level: 'warn',
      message: 'another worker has taken over this work',
      data: { lease: name },
    })
    return false
  }

  private drop(entry: Entry): void {
    entry.ended.abort()
    if (this.entries.get(entry.lease.name) === entry) this.entries.delete(entry.lease.name)
  }
}

export const leaseOf = (internalization: string): string => `internalization:${internalization}`

/** For forgetting: makes sure that no worker trains what is deleted. @returns whether all could be had */
export const claimOf =
  (leases: WorkerLeases) =>
  async (internalizations: readonly string[]): Promise<boolean> => {
    for (const id of internalizations) if ((await leases.hold(leaseOf(id))) === null) return false
    return true
  }
