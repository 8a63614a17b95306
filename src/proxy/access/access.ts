/**
 * Callers that present keys issued by the proxy, and what they may call. Presented secrets stay in
 * this file; in memory they are only the keys of a small cache, as in `tenants.ts`.
 */
import { LRUCache } from 'lru-cache'
import { hashOfSecret, isSecret, type IssuedKey } from '../../core/keys/issued-key.ts'
import { AppError } from '../../errors.ts'
import type { Carrier } from './credentials.ts'
import { Caller, type LimitsOptions } from './limits.ts'
import { eachHeader, keysIn, PROTOCOL_HEADER } from '../headers.ts'
import type { Tenants } from './tenants.ts'

/** The immutable snapshot of keys that are not revoked, by the hash of their secrets. */
export type KeyTable = ReadonlyMap<string, IssuedKey>

export const compileKeyTable = (keys: readonly IssuedKey[]): KeyTable =>
  new Map(keys.filter(({ revokedAt }) => revokedAt === null).map((key) => [key.hash, key]))

/** @throws AppError `invalid-api-key` unless exactly one value is presented and it is a valid key */
export type FindKey = (carrier: Carrier) => IssuedKey

/** Hashes in the cache; all secrets have one length, so an entry takes about 300 bytes. */
const MAX_HASHES = 1000

const BEARER = /^bearer +/i

/** The headers of issued keys; all other credentials are neither read nor forwarded. */
const PLACES = new Set(['authorization', 'api-key', PROTOCOL_HEADER])

/** All values presented as keys, each once. */
const presentedIn = ({ rawHeaders }: Carrier): Set<string> => {
  const presented = new Set<string>()
  eachHeader(rawHeaders, (name, value) => {
    const place = name.toLowerCase()
    if (!PLACES.has(place)) return
    if (place === PROTOCOL_HEADER) for (const key of keysIn(value)) presented.add(key)
    else presented.add(value.replace(BEARER, ''))
  })
  return presented
}

/** @param table returns the current snapshot */
export const createKeyFinder = (table: () => KeyTable): FindKey => {
  const hashes = new LRUCache<string, string>({ max: MAX_HASHES })
  const hashOf = (secret: string): string => {
    const known = hashes.get(secret)
    if (known !== undefined) return known
    const hash = hashOfSecret(secret)
    hashes.set(secret, hash)
    return hash
  }
  return (carrier) => {
    const presented = presentedIn(carrier)
    // otherwise the order of headers would decide whose request it is
    if (presented.size > 1)
      throw new AppError(
        'invalid-api-key',
        'authorization and api-key carry different keys; send exactly one key'
      )
    const [secret = ''] = presented
    const key = isSecret(secret) ? table().get(hashOf(secret)) : undefined
    if (key !== undefined) return key
    throw new AppError(
      'invalid-api-key',
      'no valid API key; send a key issued by this proxy (pi-…) as authorization: Bearer <key>'
    )
  }
}

/** Tenants where keys are issued: a valid key needs no acceptance by an upstream, which never sees it. */
export const tenantsOfKeys = (findKey: FindKey): Tenants => ({
  identify: (carrier) => {
    const { id, tenant } = findKey(carrier)
    return { tenant, caller: id, hasProof: true }
  },
  observe: () => {},
  accepted: () => true,
})

export type Access = ReturnType<typeof createAccess>

/** Access control by issued keys. */
export const createAccess = (findKey: FindKey, limits: LimitsOptions, upstreamApiKey: string) => ({
  /** @throws AppError `invalid-api-key` */
  callerOf: (carrier: Carrier): Caller => new Caller(findKey(carrier), limits),
  /** sent to the upstream in place of a caller's key */
  upstreamApiKey,
})
