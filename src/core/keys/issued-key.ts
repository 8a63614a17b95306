/**
 * Keys that the proxy issues: what one is, what it may do, and what of it is kept. Knows nothing of
 * requests or of what was spent.
 */
import { createHash } from 'node:crypto'
import type { Budget } from './budget.ts'
import { isModelIn } from '../upstream-choice.ts'

export interface KeyLimits {
  /** names of models, a `*` at the end stands for any rest; null allows all */
  models: string[] | null
  requestsPerMinute: number | null
  tokensPerMinute: number | null
  budget: Budget | null
}

export interface IssuedKey {
  id: string
  /** for people */
  name: string
  /** SHA-256 of the secret, hex digits */
  hash: string
  /** whose templates and loras its requests share */
  tenant: string
  limits: KeyLimits
  /** milliseconds since the epoch */
  createdAt: number
  /** null while it is good */
  revokedAt: number | null
}

/** What a key used. */
export interface Spend {
  requests: number
  tokens: number
  usd: number
}

/** Of one day. */
export interface DailySpend extends Spend {
  keyId: string
  /** since the epoch, UTC */
  day: number
}

/** Random bytes of a secret. */
export const SECRET_BYTES = 32

const SECRET = /^pi-[\w-]{43}$/

/** @param bytes `SECRET_BYTES` random ones */
export const secretOf = (bytes: Uint8Array): string =>
  `pi-${Buffer.from(bytes).toString('base64url')}`

/** Whether a credential can be a secret of ours at all. */
export const isSecret = (text: string): boolean => SECRET.test(text)

/** Neither salt nor stretching: there is nothing to guess in 256 random bits. */
export const hashOfSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('hex')

const TENANT_LABEL = /^[\w.-]{1,64}$/

export const isTenantLabel = (label: string): boolean => TENANT_LABEL.test(label)

/** The colon keeps it apart from the tenant of a forwarded credential, which is 32 hex digits. */
export const tenantOfLabel = (label: string): string => `issued:${label}`

/** Whether the key's requests are counted in tokens or money. */
export const isMetered = ({ limits }: IssuedKey): boolean =>
  limits.tokensPerMinute !== null || limits.budget !== null

/** Whether a request must be read before it can be allowed. */
export const isReadFirst = (key: IssuedKey): boolean => key.limits.models !== null || isMetered(key)

export const allowsModel = ({ models }: KeyLimits, model: string): boolean =>
  models === null || isModelIn(models, model)
