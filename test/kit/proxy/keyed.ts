/** The harness where callers present issued keys, with a clock and a price list of the test's. */
import {
  hashOfSecret,
  secretOf,
  type IssuedKey,
  type KeyLimits,
} from '../../../src/core/keys/issued-key.ts'
import type { Price } from '../../../src/core/cost/prices.ts'
import { findPrice } from '../../../src/core/cost/prices.ts'
import {
  compileKeyTable,
  createAccess,
  createKeyFinder,
  tenantsOfKeys,
} from '../../../src/proxy/access/access.ts'
import type { ProxyDeps } from '../../../src/proxy/deps.ts'
import type { LimitsOptions } from '../../../src/proxy/access/limits.ts'
import { Slices } from '../../../src/proxy/access/slices.ts'
import { systemTimer } from '../../../src/timers.ts'
import { MemoryAccounts } from './accounts.ts'
import { exampleKey } from '../records/examples.ts'
import { startHarness } from './harness.ts'

export const UPSTREAM_KEY = 'sk-of-the-operator'

/** Dollars that are easy to add up: a token of a prompt is 1 cent, one of an answer is 2. */
const CENTS = { asOf: '2026-11-01', input: 10_000, cachedInput: 5_000, output: 20_000 }

export const PRICES: Price[] = [
  { model: 'gpt-4o-mini', ...CENTS },
  { model: 'known-sizes', ...CENTS, maxOutputTokens: 50, maxImageTokens: 100 },
  { model: 'cheap', asOf: CENTS.asOf, input: 1_000, cachedInput: 500, output: 2_000 },
]

/** A secret for a test's key, the same at every call. */
export const secretFor = (id: string): string =>
  secretOf(Buffer.from(hashOfSecret(`secret of ${id}`), 'hex'))

export const keyFor = (id: string, limits: Partial<KeyLimits> = {}): IssuedKey => {
  const key = exampleKey(id, { hash: hashOfSecret(secretFor(id)) })
  return { ...key, limits: { ...key.limits, ...limits } }
}

export type Keyed = Awaited<ReturnType<typeof startKeyed>>

export const startKeyed = async (keys: IssuedKey[], overrides: Partial<ProxyDeps> = {}) => {
  /** milliseconds since the epoch, as limits see it */
  const clock = { now: Date.parse('2026-11-26T12:00:00Z') }
  /** what was settled, in order */
  const spends: { keyId: string; tokens: number; usd: number }[] = []
  let table = compileKeyTable(keys)
  const findKey = createKeyFinder(() => table)
  const accounts = new MemoryAccounts(() => clock.now)
  const slices = new Slices({
    renew: async (asks) => accounts.renew('proxy', asks),
    onError: (error) => {
      throw error
    },
    now: () => clock.now,
    setTimer: systemTimer,
  })
  const limits: LimitsOptions = {
    priceOf: (model) => findPrice(PRICES, model),
    slices: {
      take: (...asked) => slices.take(...asked),
      settle: (key, reservation, taken) => {
        const { requests, tokens, usd } = taken
        if (requests > 0 || usd > 0) spends.push({ keyId: key.id, tokens, usd })
        slices.settle(key, reservation, taken)
      },
    },
  }
  const harness = await startHarness({
    tenants: tenantsOfKeys(findKey),
    access: createAccess(findKey, limits, UPSTREAM_KEY),
    ...overrides,
  })
  return {
    harness,
    clock,
    spends,
    /** replaces the snapshot, as the watch does */
    replaceKeys: (next: IssuedKey[]) => {
      table = compileKeyTable(next)
    },
  }
}
