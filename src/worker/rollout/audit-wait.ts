/**
 * What is remembered of one live route whose audits could not be made, so that a judge that is away for a day, or has
 * changed, is not paid for again and again. It is lost with the worker, which then asks once more.
 */
import type { Outcome } from '../../core/answer/outcome.ts'
import type { Pair } from '../../core/rollout/pair.ts'

/** The upstream's, to an audited request. */
export interface SecondAnswer {
  outcome: Outcome
  costUsd: number | null
}

const [FIRST_WAIT_MS, MAX_WAIT_MS] = [30_000, 3_600_000]

export class AuditWait {
  /** by record: bought for pairs that are not stored yet, at most one batch of them */
  readonly seconds = new Map<string, SecondAnswer>()
  /** by record: made while another of their batch had to wait */
  readonly pairs = new Map<string, Pair>()
  /** whether people may still read that they wait: perhaps from before this worker */
  isNoted = true
  private failures = 0
  private retryAt = -Infinity

  /** Whether the judge did not answer the last time: then one pair is enough to see whether it does again. */
  get hasFailed(): boolean {
    return this.failures > 0
  }

  /** @param now milliseconds since the epoch; a clock that was set back by more than the longest wait ends it */
  isOver(now: number): boolean {
    return now >= this.retryAt || this.retryAt - now > MAX_WAIT_MS
  }

  failed(now: number): void {
    this.retryAt = now + Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.failures)
    this.failures++
  }

  /** What was bought for these records belongs to pairs that are stored now. */
  stored(recordIds: readonly string[]): void {
    for (const kept of [this.seconds, this.pairs])
      // behind a whole batch nothing waits; what is left is of records that were deleted
      if (this.hasFailed) for (const id of recordIds) kept.delete(id)
      else kept.clear()
    this.failures = 0
  }
}
