/**
 * Judges admin tokens for the API, the page and the metrics, and slows down those who guess. A wrong token makes
 * only the network wait that it came from, so no stranger elsewhere keeps the right token out. Clients behind one
 * load balancer share its address. Keeps no token.
 */
import { LRUCache } from 'lru-cache'
import { AppError } from '../../errors.ts'
import { networkOf } from '../../core/network-of.ts'
import { roleCheck, type AdminRole, type AdminTokens } from './roles.ts'

/** Wrong tokens of one network without a wait, and the wait after each further one. */
const USUAL = { free: 5, waitMs: 1000 }
/** The same while there are many wrong tokens from everywhere. */
const UNDER_ATTACK = { free: 1, waitMs: 2000 }
/** Wrong tokens from everywhere, within a minute, that are an attack. */
const ATTACK_PER_MINUTE = 50
/** After so long without a wrong token a network is as if it never had one. */
const FORGET_MS = 15 * 60_000
const MAX_NETWORKS = 10_000
const MINUTE_MS = 60_000

interface Wrong {
  count: number
  at: number
}

/** The part of Node's request that tells where it came from. */
export interface Connected {
  socket: { remoteAddress?: string | undefined }
}

/** Of the connection: a header could be written by the one who guesses. */
export const addressOf = (incoming: Connected | undefined): string =>
  incoming?.socket.remoteAddress ?? 'unknown'

export interface TokenGate {
  /**
   * Judges and counts in one step, so that guesses that arrive at once are judged one after the other.
   * @param token null where there is none, which is not a guess
   * @returns the role that the token gives; null for a wrong one
   * @throws AppError `rate-limited` while the network must wait
   */
  judge(token: string | null, address: string): AdminRole | null
}

/** @param now milliseconds */
export const createTokenGate = (tokens: AdminTokens, now: () => number): TokenGate => {
  const roleOf = roleCheck(tokens)
  const networks = new LRUCache<string, Wrong>({ max: MAX_NETWORKS })
  /** wrong tokens from everywhere; falls with time */
  let everywhere: Wrong = { count: 0, at: 0 }

  const recentEverywhere = (): number =>
    Math.max(0, everywhere.count - ((now() - everywhere.at) * ATTACK_PER_MINUTE) / MINUTE_MS)

  const waitMs = ({ count, at }: Wrong): number => {
    const rule = recentEverywhere() >= ATTACK_PER_MINUTE ? UNDER_ATTACK : USUAL
    return count < rule.free ? 0 : Math.max(0, at + rule.waitMs - now())
  }

  return {
    judge(token, address) {
      if (token === null) return null
      const network = networkOf(address)
      const known = networks.get(network)
      const own = known === undefined || now() - known.at > FORGET_MS ? { count: 0, at: 0 } : known
      const seconds = Math.ceil(waitMs(own) / 1000)
      if (seconds > 0)
        throw new AppError('rate-limited', `too many wrong tokens: try again in ${seconds} s`, {
          retryAfterSeconds: seconds,
        })
      const role = roleOf(token)
      if (role !== null) networks.delete(network)
      else {
        networks.set(network, { count: own.count + 1, at: now() })
        everywhere = { count: recentEverywhere() + 1, at: now() }
      }
      return role
    },
  }
}
