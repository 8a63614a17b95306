/**
 * The slices of all keys in this process, and their trips to the database: one at a time, at once for
 * requests that wait, and once a second to add the spend and to give back what is not needed. Holds one
 * entry for each key that was used.
 */
import type { Amounts, SliceAsk, SliceGrant } from '../../core/keys/account.ts'
import type { IssuedKey, KeyLimits, Spend } from '../../core/keys/issued-key.ts'
import { KeySlice, type Reservation, type Shortage } from '../../core/keys/slice.ts'
import { AppError } from '../../errors.ts'
import type { SetTimer } from '../../timers.ts'
import { valueIn } from '../../core/lists.ts'

const retryAfter = (waitMs: number): { retryAfterSeconds?: number } =>
  Number.isFinite(waitMs) ? { retryAfterSeconds: Math.ceil(waitMs / 1000) } : {}

const messageOf = (
  { requestsPerMinute, tokensPerMinute, budget }: KeyLimits,
  { tokens, usd }: Amounts,
  limit: keyof Amounts
): string => {
  if (limit === 'requests') return `this key may make ${requestsPerMinute} requests a minute`
  if (limit === 'tokens')
    return (
      `this key may use ${tokensPerMinute} tokens a minute, and this request may use ${tokens}; ` +
      'set a lower max_completion_tokens'
    )
  const { usd: ofBudget, period } = budget!
  return (
    `this request may cost up to ${usd.toFixed(6)} USD, more than is left of this key's ${ofBudget} USD ` +
    `${period === 'total' ? 'in all' : `a ${period}`}; set a lower max_completion_tokens`
  )
}

/** `budget-exceeded` or `rate-limited`; without a waiting time where waiting does not help. */
const shortageError = (
  limits: KeyLimits,
  amounts: Amounts,
  { limit, waitMs }: Shortage
): AppError =>
  new AppError(
    limit === 'usd' ? 'budget-exceeded' : 'rate-limited',
    messageOf(limits, amounts, limit),
    retryAfter(waitMs)
  )

/** The money may be there, but the database cannot be asked. */
const unknownBudgetError = (): AppError =>
  new AppError(
    'store-unavailable',
    'the proxy cannot reach its database, so it does not know what is left of the budget of this key; try again soon',
    { retryAfterSeconds: 1 }
  )

const TICK_MS = 1000
/** after which requests do not wait for the database any longer */
const PATIENCE_MS = 5000

export interface SlicesOptions {
  /** durable when it resolves */
  renew: (asks: SliceAsk[]) => Promise<SliceGrant[]>
  onError: (error: unknown) => void
  /** milliseconds that never go back */
  now: () => number
  setTimer: SetTimer
}

interface Waiter {
  amounts: Amounts
  resolve: (reservation: Reservation) => void
  reject: (error: unknown) => void
}

interface Entry {
  key: IssuedKey
  slice: KeySlice
  waiters: Waiter[]
}

export class Slices {
  private readonly entries = new Map<string, Entry>()
  private trip: Promise<void> | null = null
  private cancelTimer: (() => void) | null = null
  /** the last trip failed, or the present one takes too long */
  private isAway = false
  private isClosed = false

  constructor(private readonly options: SlicesOptions) {}

  /**
   * Reserves the amounts; a promise where the database must be asked. While it is away, rates are counted
   * by this process alone.
   * @throws AppError `rate-limited`, `budget-exceeded`; `store-unavailable` where the database is away and
   * the slice has not the money
   */
  take(key: IssuedKey, amounts: Amounts): Reservation | Promise<Reservation> {
    const entry = this.entryOf(key)
    // a request does not overtake those that wait
    const decided = entry.waiters.length > 0 ? null : this.decide(entry, amounts)
    if (decided !== null) {
      this.wake()
      return decided
    }
    return new Promise((resolve, reject) => {
      entry.waiters.push({ amounts, resolve, reject })
      if (this.trip === null) this.begin([entry])
    })
  }

  /** @param reservation null for a key without limits on tokens and money */
  settle(key: IssuedKey, reservation: Reservation | null, taken: Spend): void {
    const { slice } = this.entryOf(key)
    if (reservation === null) slice.addSpend(taken)
    else slice.settle(reservation, taken, this.options.now())
    this.wake()
  }

  /** Writes the rest and gives the slices back, once. */
  async close(): Promise<void> {
    this.isClosed = true
    this.cancelTimer?.()
    await this.trip
    for (const { slice } of this.entries.values()) slice.retire()
    const open = this.openEntries()
    if (open.length > 0) await this.travel(open)
  }

  private entryOf(key: IssuedKey): Entry {
    const known = this.entries.get(key.id)
    if (known !== undefined) return known
    const { id, limits } = key
    const entry = { key, slice: new KeySlice(id, limits, this.options.now()), waiters: [] }
    this.entries.set(id, entry)
    return entry
  }

  /** @returns null where the database must be asked @throws AppError as `take` */
  private decide({ key, slice }: Entry, amounts: Amounts): Reservation | null {
    const now = this.options.now()
    const taken = slice.take(amounts, now)
    if (taken !== null) return taken
    const shortage = slice.shortage(amounts, now)
    if (shortage !== null) throw shortageError(key.limits, amounts, shortage)
    if (!this.isAway) return null
    const alone = slice.takeAlone(amounts, now)
    if (alone === 'unknown') throw unknownBudgetError()
    if ('limit' in alone) throw shortageError(key.limits, amounts, alone)
    return alone
  }

  /** Answers the requests that can be answered now. */
  private serve(entry: Entry): void {
    const waiters = entry.waiters.splice(0)
    for (const waiter of waiters) {
      try {
        const decided = this.decide(entry, waiter.amounts)
        if (decided === null) entry.waiters.push(waiter)
        else waiter.resolve(decided)
      } catch (error) {
        waiter.reject(error)
      }
    }
  }

  private serveAll(): Entry[] {
    const waiting = [...this.entries.values()].filter(({ waiters }) => waiters.length > 0)
    for (const entry of waiting) this.serve(entry)
    return waiting.filter(({ waiters }) => waiters.length > 0)
  }

  private openEntries(): Entry[] {
    return [...this.entries.values()].filter(
      ({ slice, waiters }) => slice.isOpen || waiters.length > 0
    )
  }

  private begin(entries: Entry[]): void {
    this.trip = this.roundTrip(entries)
  }

  private async roundTrip(entries: Entry[]): Promise<void> {
    await this.travel(entries)
    this.trip = null
    const waiting = this.serveAll()
    if (waiting.length > 0) this.begin(waiting)
    else this.wake()
  }

  /** Never rejects. */
  private async travel(entries: Entry[]): Promise<void> {
    const { renew, onError, now, setTimer } = this.options
    const askedAt = now()
    const asks = entries.map(({ slice, waiters }) =>
      slice.ask(
        waiters.map(({ amounts }) => amounts),
        askedAt
      )
    )
    const cancel = setTimer(PATIENCE_MS, () => {
      this.isAway = true
      this.serveAll()
    })
    try {
      const grants = new Map((await renew(asks)).map((grant) => [grant.keyId, grant]))
      for (const { key, slice } of entries) slice.end(valueIn(grants, key.id), askedAt, now())
      this.isAway = false
    } catch (error) {
      for (const { slice } of entries) slice.fail()
      this.isAway = true
      onError(error)
    } finally {
      cancel()
    }
  }

  /** Makes sure that a tick comes, where there is anything to tell the database. */
  private wake(): void {
    if (this.isClosed || this.cancelTimer !== null) return
    this.cancelTimer = this.options.setTimer(TICK_MS, () => {
      this.cancelTimer = null
      this.tick()
    })
  }

  private tick(): void {
    for (const { slice } of this.entries.values()) slice.tick()
    if (this.trip !== null) return
    const open = this.openEntries()
    if (open.length > 0) this.begin(open)
    // the next request that needs the database asks it
    else this.isAway = false
  }
}
