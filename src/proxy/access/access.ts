/**
 * Who is calling, where callers present keys that the proxy issued, and what they may call. Presented
 * secrets leave this file nowhere; in memory they are only the keys of a small cache, as in
 * `tenants.ts`.
 */
import type { IncomingMessage } from 'node:http'
import { LRUCache } from 'lru-cache'
import { findAmbiguousMember, type AmbiguousMember } from '../../core/request/ambiguous-members.ts'
import { hashOfSecret, isReadFirst, isSecret, type IssuedKey } from '../../core/keys/issued-key.ts'
import type { ChatReading, ReadFault } from '../../core/request/chat-reading.ts'
import { AppError } from '../../errors.ts'
import type { Carrier } from './credentials.ts'
import type { Charge, Limits } from './limits.ts'
import type { Tenants } from './tenants.ts'

/** The immutable snapshot of good keys, by the hash of their secrets. */
export type KeyTable = ReadonlyMap<string, IssuedKey>

export const compileKeyTable = (keys: readonly IssuedKey[]): KeyTable =>
  new Map(keys.filter(({ revokedAt }) => revokedAt === null).map((key) => [key.hash, key]))

/**
 * @throws AppError `invalid-api-key` when no good key is presented, or another one or anything else
 * beside it
 */
export type FindKey = (carrier: Carrier) => IssuedKey

/** Hashes remembered; secrets are of one length, so an entry takes about 300 bytes. */
const MAX_HASHES = 1000

const BEARER = /^bearer +/i

/** The places where issued keys are looked for; all other credentials are neither read nor forwarded. */
const PLACES = new Set(['authorization', 'api-key'])

/** Whatever is presented as a key, each value once. */
const presentedIn = ({ rawHeaders }: Carrier): Set<string> => {
  const presented = new Set<string>()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    if (PLACES.has(rawHeaders[i]!.toLowerCase()))
      presented.add(rawHeaders[i + 1]!.replace(BEARER, ''))
  return presented
}

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
  return (carrier) => {
    const presented = presentedIn(carrier)
    // which of several one means must not depend on the order of headers
    if (presented.size > 1)
      throw new AppError(
        'invalid-api-key',
        'authorization and api-key carry different keys: present one key alone'
      )
    const [secret = ''] = presented
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
  identify: (carrier) => ({ tenant: findKey(carrier).tenant, hasProof: true }),
  observe: () => {},
  accepted: () => true,
})

/** Costs nothing and tells no one anything. */
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

  /**
   * Of a chat completion that is there as a whole.
   * @param body its bytes
   * @throws AppError as `Limits.admit`, and `invalid-request` where limits depend on a body that the
   * upstream may read differently
   */
  admit(outcome: ChatReading | ReadFault | null, body: Buffer): Charge | null {
    const isRead = outcome !== null && typeof outcome !== 'string'
    const ambiguous = this.isReadFirst && isRead ? findAmbiguousMember(body) : null
    if (ambiguous !== null) throw ambiguousBody(ambiguous)
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
  callerOf: (carrier: Carrier) => Caller
  /** what the upstream gets in place of a caller's key */
  upstreamApiKey: string
}

export const createAccess = (findKey: FindKey, limits: Limits, upstreamApiKey: string): Access => ({
  callerOf: (carrier) => new Caller(findKey(carrier), limits),
  upstreamApiKey,
})
