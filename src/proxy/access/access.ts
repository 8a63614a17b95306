/**
 * Callers that present keys issued by the proxy, and what they may call. Presented secrets stay in
 * this file; in memory they are only the keys of a small cache, as in `tenants.ts`.
 */
import type { IncomingMessage } from 'node:http'
import { LRUCache } from 'lru-cache'
import { findAmbiguousMember, type AmbiguousMember } from '../../core/request/ambiguous-members.ts'
import { hashOfSecret, isReadFirst, isSecret, type IssuedKey } from '../../core/keys/issued-key.ts'
import { AppError } from '../../errors.ts'
import type { Carrier } from './credentials.ts'
import type { AskedCompletion, Charge, Limits, Soon } from './limits.ts'
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

/** Open to every key: it costs nothing and reveals nothing about other callers. */
const isModelList = ({ method, url }: IncomingMessage): boolean =>
  method === 'GET' && url === '/v1/models'

const MAX_SHOWN_CHARS = 64

const ambiguousBody = ({ name, why, meant }: AmbiguousMember): AppError => {
  const shown = JSON.stringify(name.slice(0, MAX_SHOWN_CHARS))
  const mistake = {
    twice: `the body has the member ${shown} twice, or in two spellings`,
    spelling: `the body's member ${shown} could be read as ${JSON.stringify(meant)}`,
    'too-complex': 'the body is nested too deeply or has too many members',
  }[why]
  return new AppError('invalid-request', `${mistake}, and this key has limits`, {
    param: name.slice(0, MAX_SHOWN_CHARS),
  })
}

/** The caller of one request; admits it or throws the error for the client. */
export class Caller {
  /** whether its chat completions must be read before they are admitted */
  readonly isReadFirst: boolean
  private readonly key: IssuedKey
  private readonly limits: Limits

  constructor(key: IssuedKey, limits: Limits) {
    this.key = key
    this.limits = limits
    this.isReadFirst = isReadFirst(key)
  }

  /**
   * Admits a chat completion that was received whole.
   * @throws AppError as `Limits.admit`, and `invalid-request` where limits depend on a body that the
   * upstream may read differently
   */
  admit(asked: AskedCompletion): Soon<Charge> {
    const { dialect, outcome, body } = asked
    const isRead = outcome !== null && typeof outcome !== 'string'
    const ambiguous = this.isReadFirst && isRead ? findAmbiguousMember(body, dialect.name) : null
    if (ambiguous !== null) throw ambiguousBody(ambiguous)
    return this.limits.admit(this.key, asked)
  }

  /**
   * Admits a chat completion whose body does not fit into memory.
   * @throws AppError `overloaded` where it must be read, `rate-limited`
   */
  admitUnread(): Soon<void> {
    if (this.isReadFirst)
      throw new AppError(
        'overloaded',
        'the proxy has no memory left to read the request, and this key has limits; try again soon',
        { retryAfterSeconds: 1 }
      )
    return this.limits.admitUnread(this.key)
  }

  /**
   * Admits a request for a kept response, which costs nothing.
   * @throws AppError `rate-limited`
   */
  admitKept(): Soon<void> {
    return this.limits.admitUnread(this.key)
  }

  /**
   * Admits any other request. An unread request cannot be checked against limits on models, tokens or
   * money.
   * @throws AppError `forbidden` for a key with such limits, `rate-limited`
   */
  admitPassage(incoming: IncomingMessage): Soon<void> {
    if (this.isReadFirst && !isModelList(incoming))
      throw new AppError(
        'forbidden',
        'this key has limits, so it may only create chat completions or responses and list models'
      )
    return this.limits.admitUnread(this.key)
  }
}

export type Access = ReturnType<typeof createAccess>

/** Access control by issued keys. */
export const createAccess = (findKey: FindKey, limits: Limits, upstreamApiKey: string) => ({
  /** @throws AppError `invalid-api-key` */
  callerOf: (carrier: Carrier): Caller => new Caller(findKey(carrier), limits),
  /** sent to the upstream in place of a caller's key */
  upstreamApiKey,
})
