/**
 * Deletes what lies at a provider, and asks again until it is gone: a receipt without a confirmation is
 * what remains to be deleted, also after a restart. Knows no provider.
 */
import { toAppError } from '../../../src/errors.ts'
import type { Log } from '../../host/log.ts'
import type { Receipts } from '../receipts.ts'

const FIRST_PAUSE_MS = 60_000
const LONGEST_PAUSE_MS = 3_600_000

export interface DeletionsDeps {
  provider: string
  receipts: Receipts
  /** @returns whether the provider has the object no more */
  remove(object: string): Promise<boolean>
  /** told how many objects the provider still has */
  onPending(count: number): void
  log: Log
  /** milliseconds since the epoch */
  now?: () => number
  firstPauseMs?: number
}

export class Deletions {
  private readonly deps: DeletionsDeps
  private timer: NodeJS.Timeout | undefined
  private pauseMs: number
  private isClosed = false

  constructor(deps: DeletionsDeps) {
    this.deps = deps
    this.pauseMs = deps.firstPauseMs ?? FIRST_PAUSE_MS
    this.settle()
  }

  /**
   * Resolves when the provider was told, or is asked again later.
   * @throws AppError `store-unavailable` when no receipt can be kept, and then nothing is deleted
   */
  async delete(objects: readonly string[]): Promise<void> {
    const { provider, receipts } = this.deps
    for (const object of objects)
      await receipts.add({ provider, object, requested_at: this.seconds(), confirmed_at: null })
    for (const object of objects) await this.attempt(object)
    this.settle()
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
  }

  private pending(): string[] {
    const { provider, receipts } = this.deps
    return receipts
      .list()
      .filter((receipt) => receipt.provider === provider && receipt.confirmed_at === null)
      .map(({ object }) => object)
  }

  private async attempt(object: string): Promise<void> {
    const { provider, receipts, remove, log } = this.deps
    try {
      if (!(await remove(object))) {
        log('warn', 'the provider still has what it was told to delete', { object })
        return
      }
      const told = receipts.list().find((one) => one.provider === provider && one.object === object)
      const requested_at = told?.requested_at ?? this.seconds()
      await receipts.add({ provider, object, requested_at, confirmed_at: this.seconds() })
    } catch (error) {
      log('warn', 'a deletion failed and is repeated', {
        object,
        error: toAppError(error).message,
      })
    }
  }

  /** Reports what is left, and comes back for it. */
  private settle(): void {
    const left = this.pending()
    this.deps.onPending(left.length)
    clearTimeout(this.timer)
    if (this.isClosed) return
    if (left.length === 0) {
      this.pauseMs = this.deps.firstPauseMs ?? FIRST_PAUSE_MS
      return
    }
    this.timer = setTimeout(() => void this.again(left), this.pauseMs)
    this.timer.unref()
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS)
  }

  private async again(objects: string[]): Promise<void> {
    for (const object of objects) if (!this.isClosed) await this.attempt(object)
    this.settle()
  }

  private seconds(): number {
    return Math.floor((this.deps.now ?? Date.now)() / 1000)
  }
}
