/**
 * Whose request is it, and is the credential a good one? A tenant is a keyed hash of the caller's
 * credential; the credential itself is never kept, not even as a cache key (the hash costs 3 µs).
 */
import { createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { LRUCache } from 'lru-cache'

export interface Tenants {
  /** HMAC-SHA256 of the credential in `authorization` or `api-key`, 32 hex digits (128 bits). */
  of(headers: IncomingHttpHeaders): string
  /** The upstream answered this tenant's credential with `status`. */
  observe(tenant: string, status: number): void
  /** Whether the upstream has accepted the credential within the last `ttlMs`. */
  accepted(tenant: string): boolean
}

export interface TenantsOptions {
  secret: string
  ttlMs: number
  /** tenants remembered as accepted; an entry takes about 200 bytes */
  maxEntries: number
  now: () => number
}

const HEX_DIGITS = 32

const credentialOf = (headers: IncomingHttpHeaders): string => {
  const apiKey = headers['api-key']
  return headers.authorization ?? (typeof apiKey === 'string' ? apiKey : '')
}

/** A forgotten tenant costs one trip to the upstream, so the memory may be small. */
export const createTenants = ({ secret, ttlMs, maxEntries, now }: TenantsOptions): Tenants => {
  const acceptedAt = new LRUCache<string, number>({ max: maxEntries })
  return {
    of: (headers) =>
      createHmac('sha256', secret).update(credentialOf(headers)).digest('hex').slice(0, HEX_DIGITS),
    observe: (tenant, status) => {
      if (status >= 200 && status < 300) acceptedAt.set(tenant, now())
      // a revoked key must not be answered until its old acceptance runs out
      else if (status === 401) acceptedAt.delete(tenant)
    },
    accepted: (tenant) => {
      const at = acceptedAt.get(tenant)
      return at !== undefined && now() - at < ttlMs
    },
  }
}
