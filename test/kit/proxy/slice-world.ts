/** Proxies that share the limits of one key, what happens to them, and what it costs in truth. */
import type { Amounts, CountedLimits, SliceGrant } from '../../../src/core/keys/account.ts'
import { KeySlice, type Reservation } from '../../../src/core/keys/slice.ts'
import { MemoryAccounts } from './accounts.ts'

export const NOON = Date.parse('2026-11-26T12:00:00Z')

interface Proxy {
  name: string
  slice: KeySlice
  running: Reservation[]
  /** a trip that the account has answered */
  arriving: { grant: SliceGrant; askedAt: number } | null
}

export class SliceWorld {
  readonly accounts: MemoryAccounts
  private readonly proxies: Proxy[] = []
  private born = 0
  /** of the database */
  databaseNow = NOON
  /** of the proxies, which never goes back */
  now = 0
  /** all that upstreams may have billed for */
  admittedUsd = 0
  billedUsd = 0
  requests = 0
  tokens = 0

  constructor(
    private readonly limits: CountedLimits,
    count: number
  ) {
    this.accounts = new MemoryAccounts(() => this.databaseNow)
    for (let index = 0; index < count; index++) this.proxies.push(this.birth())
  }

  private birth(): Proxy {
    const slice = new KeySlice('a', this.limits, this.now)
    return { name: `proxy ${this.born++}`, slice, running: [], arriving: null }
  }

  private proxy(index: number): Proxy {
    return this.proxies[index % this.proxies.length]!
  }

  /** Asks the database where the slice does not suffice. */
  request(index: number, amounts: Amounts): void {
    const proxy = this.proxy(index)
    let taken = proxy.slice.take(amounts, this.now)
    if (taken === null && proxy.slice.shortage(amounts, this.now) === null) {
      this.arrive(index)
      this.trip(index, 'answered', [amounts])
      this.arrive(index)
      taken = proxy.slice.take(amounts, this.now)
    }
    if (taken === null) return
    proxy.running.push(taken)
    this.admittedUsd += amounts.usd
    this.requests += amounts.requests
    this.tokens += amounts.tokens
  }

  /** @param share of what was reserved */
  settle(index: number, share: number): void {
    const { running, slice } = this.proxy(index)
    const reservation = running.shift()
    if (reservation === undefined) return
    const { tokens, usd } = reservation.amounts
    const taken = { requests: 1, tokens: tokens * share, usd: usd * share }
    slice.settle(reservation, taken, this.now)
    this.admittedUsd -= usd
    this.billedUsd += taken.usd
    this.tokens += taken.tokens - tokens
  }

  /** Its answer comes with `arrive`, and other things may happen before. */
  trip(index: number, end: 'answered' | 'lost' | 'unanswered', waiting: Amounts[] = []): void {
    this.arrive(index)
    const proxy = this.proxy(index)
    const ask = proxy.slice.ask(waiting, this.now)
    if (end === 'lost') return proxy.slice.fail()
    const [grant] = this.accounts.renew(proxy.name, [ask])
    if (end === 'unanswered') return proxy.slice.fail()
    proxy.arriving = { grant: grant!, askedAt: this.now }
  }

  arrive(index: number): void {
    const proxy = this.proxy(index)
    if (proxy.arriving === null) return
    proxy.slice.end(proxy.arriving.grant, proxy.arriving.askedAt, this.now)
    proxy.arriving = null
  }

  tick(index: number): void {
    this.proxy(index).slice.tick()
  }

  /** `kill -9`, and another process begins. What its running requests cost stays unknown. */
  kill(index: number): void {
    this.proxies[index % this.proxies.length] = this.birth()
  }
}
