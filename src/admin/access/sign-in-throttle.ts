/** Slows down those who guess tokens: by address, and all of them together. Keeps no token. */
import { LRUCache } from 'lru-cache'

/** Failures without a wait. */
const FREE = { address: 5, all: 50 }
const FIRST_WAIT_MS = 1000
const MAX_WAIT_MS = 60_000
/** After so long without a failure it is as if there never was one. */
const FORGET_MS = 15 * 60_000
const MAX_ADDRESSES = 10_000

interface Failures {
  count: number
  at: number
}

export interface SignInThrottle {
  /** Milliseconds until the address may try again; 0: now. */
  waitMs(address: string): number
  failed(address: string): void
  succeeded(address: string): void
}

const waitAfter = ({ count, at }: Failures, free: number, now: number): number => {
  if (count < free || now - at > FORGET_MS) return 0
  const wait = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** (count - free))
  return Math.max(0, at + wait - now)
}

/** @param now milliseconds */
export const createSignInThrottle = (now: () => number): SignInThrottle => {
  const byAddress = new LRUCache<string, Failures>({ max: MAX_ADDRESSES })
  let together: Failures = { count: 0, at: 0 }
  const after = ({ count, at }: Failures): Failures => ({
    count: now() - at > FORGET_MS ? 1 : count + 1,
    at: now(),
  })
  return {
    waitMs(address) {
      const own = byAddress.get(address)
      return Math.max(
        own === undefined ? 0 : waitAfter(own, FREE.address, now()),
        waitAfter(together, FREE.all, now())
      )
    },
    failed(address) {
      byAddress.set(address, after(byAddress.get(address) ?? { count: 0, at: now() }))
      together = after(together)
    },
    succeeded(address) {
      byAddress.delete(address)
    },
  }
}
