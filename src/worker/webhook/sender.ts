/**
 * Tells the operator's webhook of events, beside the worker's rounds: one request at a time, in order, each
 * event at least once. A receiver that fails or never answers delays its own events only.
 */
import { AppError } from '../../errors.ts'
import type { WorkerDeps } from '../deps.ts'
import { Outbox, type Due } from './outbox.ts'
import { createPost, type Delivery, type PostEvent } from './post.ts'
import { isPauseOver, isUndeliverable, NO_PAUSE, pauseAfter, type RetryPause } from './retry.ts'

const POLL_MS = 1_000

type SenderDeps = Pick<WorkerDeps, 'now' | 'sleep' | 'log' | 'fault'>

export class WebhookSender {
  private readonly deps: SenderDeps
  private readonly outbox: Outbox
  private readonly post: PostEvent
  private readonly host: string
  private pause: RetryPause = NO_PAUSE
  private isGone = false

  constructor(deps: SenderDeps, outbox: Outbox, { post, host }: { post: PostEvent; host: string }) {
    this.deps = deps
    this.outbox = outbox
    this.post = post
    this.host = host
  }

  /** Makes one attempt, if an event is due. @returns whether the event is done */
  async step(signal: AbortSignal): Promise<boolean> {
    if (this.isGone || !isPauseOver(this.pause, this.deps.now())) return false
    const due = await this.outbox.next()
    if (due === null) return false
    return this.settle(due, await this.post(due.event, signal), signal)
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
        await this.outbox.done(due, { failingSince: null })
        this.pause = NO_PAUSE
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
    const failingSince = await this.outbox.failed(now)
    const { failures } = this.pause
    if (!isUndeliverable({ at: due.event.at, since: failingSince, failures }, now)) {
      const nextInMs = this.pause.notBefore - now
      this.deps.fault('webhook', error, { ...this.dataOf(due), nextInMs })
      return false
    }
    await this.outbox.done(due, { failingSince })
    this.fault(due, 'the event is dropped: the webhook has failed for three days', error)
    return true
  }

  private delay(retryAfterMs: number): void {
    this.pause = pauseAfter(this.pause, this.deps.now(), retryAfterMs)
  }

  private fault(due: Due, message: string, cause?: AppError): void {
    const error = new AppError('webhook-unavailable', message, { cause })
    this.deps.fault('webhook', error, this.dataOf(due))
  }

  private dataOf({ event: { id, type } }: Due) {
    return { host: this.host, event: id, type }
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
    await Outbox.forget(store)
    return null
  }
  const parts = { post: createPost(webhook, deps), host: new URL(webhook.url).host }
  return new WebhookSender(deps, await Outbox.open(store), parts)
}
