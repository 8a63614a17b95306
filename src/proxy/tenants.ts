/**
 * Whose request is it, and is the credential a good one? A tenant is a keyed hash of the caller's
 * credential. The credential itself leaves this file nowhere: it is not stored and not logged, and
 * in memory it is only the key of a small cache, since hashing is 4 % of a request's CPU time.
 */
import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'

export interface Tenants {
  /** HMAC-SHA256 of the credential in `authorization` or `api-key`, 32 hex digits (128 bits). */
  of(headers: IncomingHttpHeaders): string
  /** The upstream answered this tenant's credential with `status`. @param tenant `acceptanceOf` it */
  observe(tenant: string, status: number): void
  /** Whether the upstream has accepted the credential within the last `ttlMs`. */
  accepted(tenant: string): boolean
}

/**
 * As whom an upstream has accepted a tenant: what one takes proves nothing to another.
 * @param upstream null without an upstreams file
 */
export const acceptanceOf = (tenant: string, upstream: string | null): string =>
  upstream === null ? tenant : `${tenant} ${upstream}`

export interface TenantsOptions {
  secret: string
  ttlMs: number
  /** tenants remembered as accepted, and hashes remembered; an entry takes about 200 bytes */
  maxEntries: number
  now: () => number
}

const HEX_DIGITS = 32
/** A longer credential is hashed every time, so that the cache is bounded in bytes. */
const MAX_CACHED_CHARS = 512
const MAX_HASHES = 1000

const credentialOf = (headers: IncomingHttpHeaders): string => {
  const apiKey = headers['api-key']
  return headers.authorization ?? (typeof apiKey === 'string' ? apiKey : '')
}

/** A forgotten tenant costs one trip to the upstream, so the memory may be small. */
export const createTenants = ({ secret, ttlMs, maxEntries, now }: TenantsOptions): Tenants => {
  const acceptedAt = new LRUCache<string, number>({ max: maxEntries })
  const hashes = new LRUCache<string, string>({ max: Math.min(maxEntries, MAX_HASHES) })
  const hashOf = (credential: string): string =>
    createHmac('sha256', secret).update(credential).digest('hex').slice(0, HEX_DIGITS)
  return {
    of: (headers) => {
      const credential = credentialOf(headers)
      const known = hashes.get(credential)
      if (known !== undefined) return known
      const tenant = hashOf(credential)
      if (credential.length <= MAX_CACHED_CHARS) hashes.set(credential, tenant)
      return tenant
    },
    observe: (tenant, status) => {
      if (status >= 200 && status < 300) acceptedAt.set(tenant, now())
      // a revoked key must not be answered until its old acceptance runs out
      else if (status === 401) acceptedAt.delete(tenant)
    },
    accepted: (tenant) => {
      const at = acceptedAt.get(tenant)
      if (at === undefined) return false
      const ageMs = now() - at
      // what lies ahead was seen before the clock was set back: nobody knows how long ago
      return ageMs >= 0 && ageMs < ttlMs
    },
  }
}
