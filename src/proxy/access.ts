/**
 * Who is calling, where callers present keys that the proxy issued, and what they may call. Presented
 * secrets leave this file nowhere; in memory they are only the keys of a small cache, as in
 * `tenants.ts`.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { LRUCache } from 'lru-cache'
import { hashOfSecret, isReadFirst, isSecret, type IssuedKey } from '../core/issued-key.ts'
import type { ChatReading, ReadFault } from '../core/chat-reading.ts'
import { AppError } from '../errors.ts'
import type { Charge, Limits } from './limits.ts'
import type { Tenants } from './tenants.ts'

/** The immutable snapshot of good keys, by the hash of their secrets. */
export type KeyTable = ReadonlyMap<string, IssuedKey>

export const compileKeyTable = (keys: readonly IssuedKey[]): KeyTable =>
  new Map(keys.filter(({ revokedAt }) => revokedAt === null).map((key) => [key.hash, key]))

/** @throws AppError `invalid-api-key` when no good key is presented */
export type FindKey = (headers: IncomingHttpHeaders) => IssuedKey

/** Hashes remembered; secrets are of one length, so an entry takes about 300 bytes. */
const MAX_HASHES = 1000

const BEARER = /^bearer +/i

const secretIn = ({ authorization, 'api-key': apiKey }: IncomingHttpHeaders): string =>
  authorization === undefined ? String(apiKey ?? '') : authorization.replace(BEARER, '')

/** @param table the current snapshot; asked once a call */
export const createKeyFinder = (table: () => KeyTable): FindKey => {
  const hashes = new LRUCache<string, string>({ max: MAX_HASHES })
  const hashOf = (secret: string): string => {
    const known = hashes.get(secret)
    if (known !== undefined) return known
    const hash = hashOfSecret(secret)
    hashes.set(secret, hash)
    return hash
  }
  return (headers) => {
    const secret = secretIn(headers)
    const key = isSecret(secret) ? table().get(hashOf(secret)) : undefined
    if (key !== undefined) return key
    throw new AppError(
      'invalid-api-key',
      'no valid API key was presented: this proxy takes those that it issued (pi-…)'
    )
  }
}

/** Tenants where keys are issued: a good key is accepted by itself, the upstream never sees it. */
export const tenantsOfKeys = (findKey: FindKey): Tenants => ({
  of: (headers) => findKey(headers).tenant,
  observe: () => {},
  accepted: () => true,
})

/** Costs nothing and tells no one anything. */
const isModelList = ({ method, url }: IncomingMessage): boolean =>
  method === 'GET' && url === '/v1/models'

/** Whose request it is, and the ways in that it has. */
export class Caller {
  /** its chat completions must be read before they are allowed */
  readonly isReadFirst: boolean
  private readonly key: IssuedKey
  private readonly limits: Limits

  constructor(key: IssuedKey, limits: Limits) {
    this.key = key
    this.limits = limits
    this.isReadFirst = isReadFirst(key)
  }

  /** Of a chat completion that is there as a whole. @throws AppError as `Limits.admit` */
  admit(outcome: ChatReading | ReadFault | null, body: Buffer): Charge | null {
    return this.limits.admit(this.key, outcome, body)
  }

  /**
   * Of a chat completion for whose body there is no room.
   * @throws AppError `overloaded` where it must be read, `rate-limited`
   */
  admitUnread(): void {
    if (this.isReadFirst)
      throw new AppError(
        'overloaded',
        'there is no room to read the request, and this key has limits',
        {
          retryAfterSeconds: 1,
        }
      )
    this.limits.admitUnread(this.key)
  }

  /**
   * Of everything else: what no one reads, no one can hold to models, tokens or money.
   * @throws AppError `forbidden` for a key with such limits, `rate-limited`
   */
  admitPassage(incoming: IncomingMessage): void {
    if (this.isReadFirst && !isModelList(incoming))
      throw new AppError(
        'forbidden',
        'this key has limits: it may ask for chat completions and for the list of models alone'
      )
    this.limits.admitUnread(this.key)
  }
}

/** What the hot path needs where keys are asked for. */
export interface Access {
  /** @throws AppError `invalid-api-key` */
  callerOf: (headers: IncomingHttpHeaders) => Caller
  /** what the upstream gets in place of a caller's key */
  upstreamApiKey: string
}

export const createAccess = (findKey: FindKey, limits: Limits, upstreamApiKey: string): Access => ({
  callerOf: (headers) => new Caller(findKey(headers), limits),
  upstreamApiKey,
})
