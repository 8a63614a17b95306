/**
 * Whose request is it, and are the credentials good ones? A tenant is a keyed hash of all credentials
 * that a request carries. The credentials themselves leave this file nowhere: they are not stored and
 * not logged, and in memory they are only the keys of a small cache, since hashing is 4 % of a request's
 * CPU time.
 */
import { createHmac } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import {
  areProof,
  createCredentials,
  type Carrier,
  type Credential,
  type Credentials,
} from './credentials.ts'

export interface Tenants {
  /** HMAC-SHA256 of all credentials together, 32 hex digits (128 bits). */
  of(carrier: Carrier): string
  /** Whether there is a credential at all that an upstream could have accepted. */
  hasProof(carrier: Carrier): boolean
  /**
   * The upstream answered this tenant's credentials with `status`.
   * @param tenant `acceptanceOf` it
   * @param ageMs how long ago the request came: a stream that began before its key was refused, and ends
   * after it, proves nothing
   */
  observe(tenant: string, status: number, ageMs?: number): void
  /** Whether the upstream has accepted just these credentials within the last `ttlMs`. */
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
  /** where requests carry them; the known places by default */
  credentials?: Credentials
}

const HEX_DIGITS = 32
/** Longer ones are hashed every time, so that the cache is bounded in bytes. */
const MAX_CACHED_CHARS = 512
const MAX_HASHES = 1000

/** Key refused, no money, not allowed; Google answers 400 to a key that is not valid. */
const REFUSALS = new Set([400, 401, 402, 403])

/**
 * Credentials as one text, equal only for equal ones. One `authorization` with a scheme, or one
 * `api-key` without a space, is its value: so was every tenant before there were more places, and
 * templates keep theirs. All others begin with NUL, which no header's value has in it.
 */
const encode = (credentials: readonly Credential[]): string => {
  const [first] = credentials
  if (first === undefined) return ''
  if (credentials.length === 1) {
    const { name, value } = first
    const hasSpace = value.includes(' ')
    if (name === 'authorization' && hasSpace) return value
    if (name === 'api-key' && !hasSpace && value !== '') return value
  }
  const parts = credentials.map(
    ({ name, value }) => `${name.length}:${name}${value.length}:${value}`
  )
  return `\0${parts.join('')}`
}

/** A forgotten tenant costs one trip to the upstream, so the memory may be small. */
export const createTenants = ({
  secret,
  ttlMs,
  maxEntries,
  now,
  credentials = createCredentials(),
}: TenantsOptions): Tenants => {
  const acceptedAt = new LRUCache<string, number>({ max: maxEntries })
  // apart, so that refused strangers make no accepted tenant be forgotten
  const refusedAt = new LRUCache<string, number>({ max: maxEntries })
  const hashes = new LRUCache<string, string>({ max: Math.min(maxEntries, MAX_HASHES) })
  const hashOf = (text: string): string =>
    createHmac('sha256', secret).update(text).digest('hex').slice(0, HEX_DIGITS)
  /** A time that lies ahead was seen before the clock was set back, and says nothing. */
  const latest = (at: number | undefined): number =>
    at === undefined || at > now() ? -Infinity : at
  return {
    of: (carrier) => {
      const text = encode(credentials.of(carrier))
      const known = hashes.get(text)
      if (known !== undefined) return known
      const tenant = hashOf(text)
      if (text.length <= MAX_CACHED_CHARS) hashes.set(text, tenant)
      return tenant
    },
    hasProof: (carrier) => areProof(credentials.of(carrier)),
    observe: (tenant, status, ageMs = 0) => {
      const at = now() - ageMs
      if (status >= 200 && status < 300) {
        if (at >= latest(refusedAt.get(tenant)))
          acceptedAt.set(tenant, Math.max(at, latest(acceptedAt.get(tenant))))
      } else if (REFUSALS.has(status)) {
        // a revoked key must not be answered until its old acceptance runs out
        acceptedAt.delete(tenant)
        refusedAt.set(tenant, now())
      }
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
