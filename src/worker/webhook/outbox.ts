/**
 * The events that were not delivered yet. The history is the queue: a row is written in the transaction
 * that changes a state, so a crash loses no event, and the memory of the worker holds one page of rows.
 * A cursor is saved after each delivery, so a crash in between repeats one event.
 */
import { readRolloutReport, rolloutReports } from '../../lifecycle/rollout-report.ts'
import type { Internalization } from '../../core/internalization/internalization.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../../store/json-snapshot.ts'
import type { HistoryRow, Store } from '../../store/store.ts'
import { driftEvent, eventTypeOf, historyEvent, type WebhookEvent } from './event.ts'

const SNAPSHOT = 'webhook'
const PAGE_ROWS = 100

interface Memory {
  /** of the last history row that is done */
  place: number
  /**
   * The time of drift that is done, by internalization. An entry stays when its internalization retires,
   * because a rollback of the successor makes it live again. It is small against the stored plan.
   */
  drifts: Record<string, number>
  /** since when each attempt has failed, milliseconds since the epoch; null after a delivery */
  failingSince: number | null
}

/** An event, with the memory after it. */
export interface Due {
  event: WebhookEvent
  after: Pick<Memory, 'place' | 'drifts'>
}

type OutboxStore = Pick<Store, 'internalizations' | 'routes' | 'snapshots'>

export class Outbox {
  private readonly store: OutboxStore
  private memory: Memory
  /** internalizations with a route, and the revision of the routes at which they were read */
  private live: { ids: string[]; revision: number } | null = null

  private constructor(store: OutboxStore, memory: Memory) {
    this.store = store
    this.memory = memory
  }

  /** The first time it begins at the present end, so that a receiver is not flooded with old events. */
  static async open(store: OutboxStore): Promise<Outbox> {
    const memory = await readJsonSnapshot<Memory>(store, SNAPSHOT)
    if (memory !== null) return new Outbox(store, memory)
    const drifted = (await rolloutReports(store)).flatMap(
      ([id, { driftedAt }]): [string, number][] => (driftedAt === null ? [] : [[id, driftedAt]])
    )
    const outbox = new Outbox(store, {
      place: await store.internalizations.historyEnd(),
      drifts: Object.fromEntries(drifted),
      failingSince: null,
    })
    await outbox.save(outbox.memory)
    return outbox
  }

  /** The next time begins at its own present end. */
  static async forget({ snapshots }: Pick<Store, 'snapshots'>): Promise<void> {
    await snapshots.remove(SNAPSHOT)
  }

  /** The oldest event that is not done. Repeated calls give the same one. */
  async next(): Promise<Due | null> {
    for (;;) {
      const page = await this.store.internalizations.historySince(this.memory.place, PAGE_ROWS)
      for (const entry of page) {
        const due = await this.dueAt(entry)
        if (due !== null) return due
        this.memory = { ...this.memory, place: entry.place }
      }
      if (page.length < PAGE_ROWS) return this.liveDrift()
    }
  }

  /** The event was delivered, or is dropped while the webhook fails. */
  done({ after }: Due, { failingSince }: Pick<Memory, 'failingSince'>): Promise<void> {
    return this.save({ ...after, failingSince })
  }

  /** An attempt failed at `now`. @returns since when each attempt has failed */
  async failed(now: number): Promise<number> {
    // not later than now: the clock may have been set back
    const failingSince = Math.min(this.memory.failingSince ?? now, now)
    if (failingSince !== this.memory.failingSince) await this.save({ ...this.memory, failingSince })
    return failingSince
  }

  private async dueAt(entry: HistoryRow): Promise<Due | null> {
    const type = eventTypeOf(entry)
    if (type === null) return null
    const row = await this.store.internalizations.get(entry.internalizationId)
    if (row === null) return null
    const { drifts } = this.memory
    return (
      (entry.from?.name === 'live' ? await this.driftOf(row) : null) ?? {
        event: historyEvent(type, entry, row),
        after: { place: entry.place, drifts },
      }
    )
  }

  /** The report is written before the state that follows from it, so drift comes before its rollback. */
  private async driftOf(row: Internalization): Promise<Due | null> {
    const report = await readRolloutReport(this.store, row.id)
    const driftedAt = report?.driftedAt ?? null
    const { place, drifts } = this.memory
    if (report === null || driftedAt === null || drifts[row.id] === driftedAt) return null
    return {
      event: driftEvent(row, report, driftedAt),
      after: { place, drifts: { ...drifts, [row.id]: driftedAt } },
    }
  }

  private async liveDrift(): Promise<Due | null> {
    for (const id of await this.liveIds()) {
      const report = await readRolloutReport(this.store, id)
      if (report === null || report.driftedAt === null) continue
      if (report.driftedAt === this.memory.drifts[id]) continue
      const row = await this.store.internalizations.get(id)
      const due = row === null ? null : await this.driftOf(row)
      if (due !== null) return due
    }
    return null
  }

  private async liveIds(): Promise<string[]> {
    const { routes } = this.store
    const revision = await routes.revision()
    if (this.live?.revision !== revision) {
      const ids = (await routes.list()).map(({ internalizationId }) => internalizationId)
      this.live = { ids, revision }
    }
    return this.live.ids
  }

  private async save(memory: Memory): Promise<void> {
    await saveJsonSnapshot(this.store, SNAPSHOT, memory)
    this.memory = memory
  }
}
