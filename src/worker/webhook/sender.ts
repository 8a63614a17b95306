/**
 * Tells the operator's webhook of events, beside the worker's rounds: one request at a time, in order, each
 * event at least once. A receiver that fails or never answers delays its own events only.
 */
import { AppError } from '../../errors.ts'
import type { WorkerDeps } from '../deps.ts'
import { createPost, type Delivery, type PostEvent } from './post.ts'
import { readRolloutReport, rolloutReports } from '../../lifecycle/rollout-report.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../../store/json-snapshot.ts'
import type { HistoryRow, Store } from '../../store/store.ts'
import { driftEvent, eventTypeOf, historyEvent, type WebhookEvent } from './event.ts'

/**
 * The events that were not delivered yet. The history is the queue: a row is written in the transaction
 * that changes a state, so a crash loses no event, and the memory of the worker holds one page of rows.
 * A cursor is saved after each delivery, so a crash in between repeats one event.
 */
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
interface Due {
  event: WebhookEvent
  after: Pick<Memory, 'place' | 'drifts'>
}

type OutboxStore = Pick<Store, 'internalizations' | 'routes' | 'snapshots'>

/** The first time it begins at the present end, so that a receiver is not flooded with old events. */
const firstMemory = async (store: OutboxStore): Promise<Memory> => {
  const drifted = (await rolloutReports(store)).flatMap(
    ([id, { driftedAt }]): [string, number][] => (driftedAt === null ? [] : [[id, driftedAt]])
  )
  const place = await store.internalizations.historyEnd()
  return { place, drifts: Object.fromEntries(drifted), failingSince: null }
}

/** The internalizations with a route, read again where the routes have changed. */
const createLiveIds = (routes: OutboxStore['routes']) => {
  let live: { ids: string[]; revision: number } | null = null
  return async (): Promise<string[]> => {
    const revision = await routes.revision()
    if (live?.revision !== revision) {
      const ids = (await routes.list()).map(({ internalizationId }) => internalizationId)
      live = { ids, revision }
    }
    return live.ids
  }
}

type Outbox = Awaited<ReturnType<typeof openOutbox>>

const openOutbox = async (store: OutboxStore) => {
  const { internalizations, routes } = store
  const save = (saved: Memory): Promise<void> => saveJsonSnapshot(store, SNAPSHOT, saved)
  const stored = await readJsonSnapshot<Memory>(store, SNAPSHOT)
  let memory = stored ?? (await firstMemory(store))
  if (stored === null) await save(memory)
  const change = async (changed: Memory): Promise<void> => {
    await save(changed)
    memory = changed
  }
  const liveIds = createLiveIds(routes)
  /** The report is written before the state that follows from it, so drift comes before its rollback. */
  const driftOf = async (id: string): Promise<Due | null> => {
    const report = await readRolloutReport(store, id)
    const driftedAt = report?.driftedAt ?? null
    const { place, drifts } = memory
    if (report === null || driftedAt === null || drifts[id] === driftedAt) return null
    const row = await internalizations.get(id)
    if (row === null) return null
    const after = { place, drifts: { ...drifts, [id]: driftedAt } }
    return { event: driftEvent(row, report, driftedAt), after }
  }
  const dueAt = async (entry: HistoryRow): Promise<Due | null> => {
    const type = eventTypeOf(entry)
    const row = type && (await internalizations.get(entry.internalizationId))
    if (type === null || row === null) return null
    const drift = entry.from?.name === 'live' ? await driftOf(row.id) : null
    const after = { place: entry.place, drifts: memory.drifts }
    return drift ?? { event: historyEvent(type, entry, row), after }
  }
  return {
    /** The oldest event that is not done. Repeated calls give the same one. */
    next: async (): Promise<Due | null> => {
      for (let isLast = false; !isLast;) {
        const page = await internalizations.historySince(memory.place, PAGE_ROWS)
        for (const entry of page) {
          const due = await dueAt(entry)
          if (due !== null) return due
          memory = { ...memory, place: entry.place }
        }
        isLast = page.length < PAGE_ROWS
      }
      for (const id of await liveIds()) {
        const due = await driftOf(id)
        if (due !== null) return due
      }
      return null
    },
    /** The event was delivered, or is dropped while the webhook fails. */
    done: ({ after }: Due, { failingSince }: Pick<Memory, 'failingSince'>): Promise<void> =>
      change({ ...after, failingSince }),
    /** An attempt failed at `now`. @returns since when each attempt has failed */
    failed: async (now: number): Promise<number> => {
      // not later than now: the clock may have been set back
      const failingSince = Math.min(memory.failingSince ?? now, now)
      if (failingSince !== memory.failingSince) await change({ ...memory, failingSince })
      return failingSince
    },
  }
}

const FIRST_PAUSE_MS = 1_000
const MAX_PAUSE_MS = 600_000
const GIVE_UP_MS = 3 * 86_400_000

/** @param failures in a row before this one */
const pauseAfter = (failures: number): number =>
  Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS)

const POLL_MS = 1_000

type SenderDeps = Pick<WorkerDeps, 'now' | 'sleep' | 'log' | 'fault'>
type SendingDeps = SenderDeps & { outbox: Outbox; post: PostEvent; host: string }

export class WebhookSender {
  /** attempts in a row, of this worker */
  private failures = 0
  /** milliseconds since the epoch; nothing is sent before */
  private notBefore = 0
  private isGone = false

  constructor(private readonly deps: SendingDeps) {}

  /** Makes one attempt, if an event is due. @returns whether the event is done */
  async step(signal: AbortSignal): Promise<boolean> {
    const waitMs = this.notBefore - this.deps.now()
    // after the clock was set back the end is further ahead than any pause
    if (this.isGone || (waitMs > 0 && waitMs <= MAX_PAUSE_MS)) return false
    const due = await this.deps.outbox.next()
    if (due === null) return false
    return this.settle(due, await this.deps.post(due.event, signal), signal)
  }

  /** Sends events until the signal aborts, which also ends the request in flight. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isDone = false
      try {
        isDone = await this.step(signal)
      } catch (error) {
        // without the pause an event whose delivery cannot be saved would be sent again at once
        this.delay(0)
        this.deps.fault('webhook', error)
      }
      if (!isDone) await this.deps.sleep(POLL_MS, signal)
    }
  }

  private async settle(due: Due, delivery: Delivery, { aborted }: AbortSignal): Promise<boolean> {
    switch (delivery.kind) {
      case 'delivered':
        await this.deps.outbox.done(due, { failingSince: null })
        this.failures = 0
        this.notBefore = 0
        this.deps.log({ level: 'info', message: 'event delivered', data: this.dataOf(due) })
        return true
      case 'gone':
        this.isGone = true
        this.fault(due, 'the webhook answered with status 410, so nothing is sent until a restart')
        return false
      case 'failed':
        // the worker ended the attempt
        return aborted ? false : this.failed(due, delivery)
    }
  }

  private async failed(
    due: Due,
    { error, retryAfterMs }: Extract<Delivery, { kind: 'failed' }>
  ): Promise<boolean> {
    const now = this.deps.now()
    this.delay(retryAfterMs)
    const failingSince = await this.deps.outbox.failed(now)
    if (!this.isUndeliverable(due.event.at, failingSince, now)) {
      const nextInMs = this.notBefore - now
      this.deps.fault('webhook', error, { ...this.dataOf(due), nextInMs })
      return false
    }
    await this.deps.outbox.done(due, { failingSince })
    this.fault(due, 'the event is dropped: the webhook has failed for three days', error)
    return true
  }

  /**
   * Whether an event is dropped after a failed attempt. It has three days since it happened and since the
   * webhook began to fail, and attempts of this worker up to the longest pause: a machine that was off for
   * three days drops nothing at its start. A time ahead of the clock, which was set back, does not make the
   * events behind it wait.
   */
  private isUndeliverable(at: number, failingSince: number, now: number): boolean {
    const isRecent = at <= now && now - at < GIVE_UP_MS
    const isTried = pauseAfter(this.failures) === MAX_PAUSE_MS
    return isTried && !isRecent && now - failingSince >= GIVE_UP_MS
  }

  /** @param retryAfterMs that the receiver asked for; 0 when it did not */
  private delay(retryAfterMs: number): void {
    const pauseMs = Math.max(pauseAfter(this.failures), Math.min(retryAfterMs, MAX_PAUSE_MS))
    this.notBefore = this.deps.now() + pauseMs
    this.failures++
  }

  private fault(due: Due, message: string, cause?: AppError): void {
    const error = new AppError('webhook-unavailable', message, { cause })
    this.deps.fault('webhook', error, this.dataOf(due))
  }

  private dataOf({ event: { id, type } }: Due) {
    return { host: this.deps.host, event: id, type }
  }
}

/**
 * To be opened before the worker changes a state, so that the change is told of.
 * @returns null when no webhook is configured; then events are not kept for a later one
 */
export const openWebhook = async (
  deps: SenderDeps & Pick<WorkerDeps, 'store' | 'webhook'>
): Promise<WebhookSender | null> => {
  const { webhook, store } = deps
  if (webhook === null) {
    // the next time begins at its own present end
    await store.snapshots.remove(SNAPSHOT)
    return null
  }
  const { host } = new URL(webhook.url)
  const outbox = await openOutbox(store)
  return new WebhookSender({ ...deps, outbox, post: createPost(webhook, deps), host })
}
