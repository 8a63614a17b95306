/** Keys that the proxy issues: their secrets, limits and stored form. Knows nothing of requests. */
import { createHash } from 'node:crypto'
import type { Budget } from './budget.ts'
import { isModelIn } from '../upstream-choice.ts'

export interface KeyLimits {
  /** exact names of models, or prefixes with a trailing `*`; null allows all */
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
  /** its requests share the templates and loras of this tenant */
  tenant: string
  limits: KeyLimits
  /** milliseconds since the epoch */
  createdAt: number
  /** null while it is valid */
  revokedAt: number | null
}

/** Usage of a key. */
export interface Spend {
  requests: number
  tokens: number
  usd: number
}

/** Random bytes of a secret. */
export const SECRET_BYTES = 32

const SECRET = /^pi-[\w-]{43}$/

/** @param bytes `SECRET_BYTES` random ones */
export const secretOf = (bytes: Uint8Array): string =>
  `pi-${Buffer.from(bytes).toString('base64url')}`

/** Whether a credential has the form of an issued key's secret. */
export const isSecret = (text: string): boolean => SECRET.test(text)

/** Without salt or stretching: 256 random bits cannot be guessed. */
export const hashOfSecret = (secret: string): string =>
  createHash('sha256').update(secret).digest('hex')

const TENANT_LABEL = /^[\w.-]{1,64}$/

export const isTenantLabel = (label: string): boolean => TENANT_LABEL.test(label)

/** The colon keeps it apart from the tenant of a forwarded credential, which is 32 hex digits. */
export const tenantOfLabel = (label: string): string => `issued:${label}`

const TENANT = /^(?:[0-9a-f]{32}|issued:[\w.-]{1,64})$/

/** Whether a text has the form of a tenant: of a forwarded credential, or of a label. */
export const isTenant = (text: string): boolean => TENANT.test(text)

/** Whether the key has limits on tokens or money. */
export const isMetered = ({ limits }: IssuedKey): boolean =>
  limits.tokensPerMinute !== null || limits.budget !== null

/** Whether a request's body must be read before it is allowed. */
export const isReadFirst = (key: IssuedKey): boolean => key.limits.models !== null || isMetered(key)

export const allowsModel = ({ models }: KeyLimits, model: string): boolean =>
  models === null || isModelIn(models, model)
