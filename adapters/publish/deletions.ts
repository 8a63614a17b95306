/**
 * Deletes what lies at a provider, and asks again until it is gone: a receipt without a confirmation is
 * what remains to be deleted, also after a restart. Knows no provider.
 */
import { toAppError } from '../../src/errors.ts'
import type { DeletionReceipt } from '../../src/openai/engine-state.ts'
import type { Log } from '../host/log.ts'
import type { Receipts } from './receipts.ts'

export interface DeletionsDeps {
  provider: string
  receipts: Receipts
  /** @returns whether the provider has the object no more */
  remove(object: string): Promise<boolean>
  /** told what the provider still has, as far as is known */
  onPending(objects: readonly string[]): void
  log: Log
  /** milliseconds since the epoch */
  now(): number
  /** after which it is told again; each time twice as long, up to the longest */
  firstPauseMs: number
  longestPauseMs: number
}

export class Deletions {
  private readonly deps: DeletionsDeps
  private timer: NodeJS.Timeout | undefined
  private pauseMs: number
  private isClosed = false
  private lastTry: Promise<void> = Promise.resolve()

  constructor(deps: DeletionsDeps) {
    this.deps = deps
    this.pauseMs = deps.firstPauseMs
    this.settle()
  }

  /**
   * From now on they are what remains to be deleted.
   * @throws AppError `store-unavailable` when no receipt can be kept
   */
  async request(objects: readonly string[]): Promise<void> {
    const { provider, receipts } = this.deps
    for (const object of objects)
      await receipts.add({ provider, object, requested_at: this.seconds(), confirmed_at: null })
  }

  /**
   * Tells the provider of one object after the other, and later again of those that it still has. Never rejects.
   * @param objects of those that were requested; all of them where it is left out
   */
  tell(objects?: readonly string[]): Promise<void> {
    this.lastTry = this.lastTry.then(() => this.attemptAll(objects))
    return this.lastTry
  }

  /** Resolves when nothing is told any more. */
  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.timer)
    await this.lastTry
  }

  private pending(): DeletionReceipt[] {
    const { provider, receipts } = this.deps
    return receipts
      .list()
      .filter((receipt) => receipt.provider === provider && receipt.confirmed_at === null)
  }

  private async attemptAll(objects?: readonly string[]): Promise<void> {
    for (const receipt of this.pending())
      if (!this.isClosed && (objects?.includes(receipt.object) ?? true)) await this.attempt(receipt)
    this.settle()
  }

  private async attempt(receipt: DeletionReceipt): Promise<void> {
    const { receipts, remove, log } = this.deps
    const { object } = receipt
    try {
      if (await remove(object)) await receipts.add({ ...receipt, confirmed_at: this.seconds() })
      else log('warn', 'the provider still has what it was told to delete', { object })
    } catch (error) {
      log('warn', 'a deletion failed and is repeated', {
        object,
        error: toAppError(error).message,
      })
    }
  }

  /** Reports what the provider still has, and tells it again later. */
  private settle(): void {
    const { onPending, firstPauseMs, longestPauseMs } = this.deps
    const left = this.pending()
    onPending(left.map(({ object }) => object))
    clearTimeout(this.timer)
    if (this.isClosed) return
    if (left.length === 0) {
      this.pauseMs = firstPauseMs
      return
    }
    this.timer = setTimeout(() => void this.tell(), this.pauseMs)
    this.timer.unref()
    this.pauseMs = Math.min(2 * this.pauseMs, longestPauseMs)
  }

  private seconds(): number {
    return Math.floor(this.deps.now() / 1000)
  }
}
