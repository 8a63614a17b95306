/**
 * The tenant of a request, and whether its credentials are good. A tenant is a keyed hash of all
 * credentials that a request carries. Credentials stay in this file: they are not stored and not
 * logged, and in memory they are only the keys of a small cache, since hashing is 4 % of a request's
 * CPU time.
 */
import { createHmac, hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import {
  areProof,
  createCredentials,
  type Carrier,
  type Credential,
  type Credentials,
} from './credentials.ts'
import { isSuccess } from '../../core/http-status.ts'

/** A caller as its credentials identify it. */
export interface Identity {
  /** HMAC-SHA256 of all credentials together, 32 hex digits (128 bits) */
  readonly tenant: string
  /** id of the issued key; absent where callers have none */
  readonly caller?: string
  /** whether one of the credentials is something that an upstream could have accepted */
  readonly hasProof: boolean
}

export interface Tenants {
  identify(carrier: Carrier): Identity
  /**
   * Remembers that the upstream answered a tenant's credentials with `status`. A refusal ends the acceptance for
   * all models; only an answer of the same model gives it back. A model that is not found is refused alone.
   * @param tenant as `acceptanceOf` gives it
   * @param ageMs since the request arrived: a stream that began before its key was refused, and ends
   * after that, must not make the key accepted again
   */
  observe(tenant: string, model: string, status: number, ageMs?: number): void
  /** Whether the upstream accepted exactly these credentials for the model within the last `ttlMs`. */
  accepted(tenant: string, model: string): boolean
}

/**
 * A tenant at one upstream: a credential that one upstream accepts proves nothing to another.
 * @param upstream null without an upstreams file
 */
export const acceptanceOf = (tenant: string, upstream: string | null): string =>
  upstream === null ? tenant : `${tenant} ${upstream}`

export interface TenantsOptions {
  secret: string
  ttlMs: number
  /** pairs of tenant and model remembered as accepted, and tenants as refused; one takes about 300 bytes */
  maxEntries: number
  now: () => number
  /** the places of credentials; the known ones by default */
  credentials?: Credentials
}

const HEX_DIGITS = 32
/** Longer texts are hashed every time, so that the cache is bounded in bytes. */
const MAX_CACHED_CHARS = 512
const MAX_CACHED = 1000

/** Of one tenant at one upstream. A forgotten one costs one request to the upstream. */
const MAX_MODELS = 16
/** The name of a model is the caller's: a longer one is remembered by its digest. */
const MAX_MODEL_CHARS = 64

const modelKey = (model: string): string =>
  model.length <= MAX_MODEL_CHARS ? model : hash('sha256', model)

/** An acceptance that is newer than this share of its time is not noted again: under load each answer is one. */
const NOTED_SHARE = 1 / 1000

const NOT_FOUND = 404

/** Key refused, no money, not allowed; Google answers 400 to an invalid key. */
const REFUSALS = new Set([400, 401, 402, 403])

/** Credentials as one text, equal only for equal ones; '' without any. */
const encode = (credentials: readonly Credential[]): string =>
  credentials.map(({ name, value }) => `${name.length}:${name}${value.length}:${value}`).join('')

/** By model, the oldest first. */
type Times = Map<string, number>

const withTime = (times: Times, model: string, at: number): Times => {
  const others = [...times].filter(([name]) => name !== model)
  return new Map([...others, [model, at] as const].slice(-MAX_MODELS))
}

/** A forgotten tenant costs one request to the upstream, so the memory may be small. */
export const createTenants = ({
  secret,
  ttlMs,
  maxEntries,
  now,
  credentials = createCredentials(),
}: TenantsOptions): Tenants => {
  const acceptedAt = new LRUCache<string, Times>({
    maxSize: maxEntries,
    sizeCalculation: ({ size }) => size,
  })
  // a cache of its own, so that refused strangers evict no accepted tenant
  const refusedAt = new LRUCache<string, number>({ max: maxEntries })
  /** as `refusedAt`, by tenant and model */
  const notFoundAt = new LRUCache<string, number>({ max: maxEntries })
  const identities = new LRUCache<string, Identity>({ max: MAX_CACHED })
  const hashOf = (text: string): string =>
    createHmac('sha256', secret).update(text).digest('hex').slice(0, HEX_DIGITS)
  /** A time in the future was noted before the clock was set back, and is ignored. */
  const latest = (at: number | undefined): number =>
    at === undefined || at > now() ? -Infinity : at
  return {
    identify: (carrier) => {
      const carried = credentials.of(carrier)
      const text = encode(carried)
      const known = identities.get(text)
      if (known !== undefined) return known
      const identity = { tenant: hashOf(text), hasProof: areProof(carried) }
      if (text.length <= MAX_CACHED_CHARS) identities.set(text, identity)
      return identity
    },
    observe: (tenant, name, status, ageMs = 0) => {
      const at = now() - ageMs
      const model = modelKey(name)
      const times = acceptedAt.get(tenant)
      if (isSuccess(status)) {
        const noted = latest(times?.get(model))
        if (at - noted < ttlMs * NOTED_SHARE) return
        const refused = [refusedAt.get(tenant), notFoundAt.get(`${tenant} ${model}`)].map(latest)
        if (at < Math.max(...refused)) return
        acceptedAt.set(tenant, withTime(times ?? new Map<string, number>(), model, at))
      } else if (status === NOT_FOUND) {
        times?.delete(model)
        notFoundAt.set(`${tenant} ${model}`, now())
      } else if (REFUSALS.has(status)) {
        // a revoked key must not be answered until its old acceptance runs out
        acceptedAt.delete(tenant)
        refusedAt.set(tenant, now())
      }
    },
    accepted: (tenant, model) => {
      const at = acceptedAt.get(tenant)?.get(modelKey(model))
      if (at === undefined) return false
      const ageMs = now() - at
      // a negative age means that the clock was set back, so the real age is not known
      return ageMs >= 0 && ageMs < ttlMs
    },
  }
}
