/** Keys that the proxy issues: their secrets, limits and stored form. Knows nothing of requests. */
import { createHash } from 'node:crypto'
import { isModelIn } from '../upstream-choice.ts'
import { dayOf } from '../days.ts'
import { findPrice, type Price } from '../cost/prices.ts'

/** The start of a dated model such as `gpt-4o-mini-2024-07-18`, which has the price of the undated one. */
const IS_DATE_START = /^-[\d-]*$/

/** @param pattern exact name of a model, or a prefix with a trailing `*` */
const hasPrice = (prices: readonly Price[], pattern: string): boolean => {
  if (!pattern.endsWith('*')) return findPrice(prices, pattern) !== null
  const prefix = pattern.slice(0, -1)
  return prices.some(
    ({ model }) =>
      model.startsWith(prefix) ||
      (prefix.startsWith(model) && IS_DATE_START.test(prefix.slice(model.length)))
  )
}

const MEND = 'Add the prices (docs/configuration.md, PRICES_FILE) and restart the proxy.'

/** @returns null for a key without a budget, and for one whose models have prices */
export const budgetNote = (
  { budget, models }: KeyLimits,
  prices: readonly Price[]
): string | null => {
  if (budget === null) return null
  if (models === null)
    return (
      'this key may use all models, and the proxy refuses those without a price (403), because their cost is not ' +
      `known. ${MEND}`
    )
  const unpriced = models.filter((pattern) => !hasPrice(prices, pattern))
  if (unpriced.length === 0) return null
  return (
    `no price of ${unpriced.join(', ')} is known, so the proxy refuses requests of this key for them (403). ` +
    MEND
  )
}

export const BUDGET_PERIODS = ['day', 'month', 'total'] as const

export type BudgetPeriod = (typeof BUDGET_PERIODS)[number]

export interface Budget {
  usd: number
  period: BudgetPeriod
}

/** @returns first day of the period of `at`, or of a later period */
export const firstDayOf = (period: BudgetPeriod, at: number, later = 0): number => {
  if (period === 'total') return later === 0 ? 0 : Infinity
  if (period === 'day') return dayOf(at) + later
  const date = new Date(at)
  return dayOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later))
}

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
