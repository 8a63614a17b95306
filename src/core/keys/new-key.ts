/** A key as a person asks for it, on the command line and on the page. Pure. */
import { AppError } from '../../errors.ts'
import {
  BUDGET_PERIODS,
  type Budget,
  hashOfSecret,
  isTenantLabel,
  SECRET_BYTES,
  secretOf,
  tenantOfLabel,
  type IssuedKey,
  type KeyLimits,
} from './issued-key.ts'

const ID_BYTES = 6
export const MAX_KEY_NAME_CHARS = 100

/** Names of models between commas; empty for a text without one. */
export const modelNames = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

/** @throws AppError `invalid-request` for an amount without a period, or the other way round */
export const budgetOf = (usd: number | undefined, period: string | undefined): Budget | null => {
  if (usd === undefined && period === undefined) return null
  const known = BUDGET_PERIODS.find((each) => each === period)
  if (usd === undefined || known === undefined)
    throw new AppError(
      'invalid-request',
      `a budget needs an amount in US dollars and a period: ${BUDGET_PERIODS.join(', ')}`
    )
  return { usd, period: known }
}

/**
 * @param wanted without a tenant the key has one of its own
 * @returns the key, and its secret, which is stored nowhere
 * @throws AppError `invalid-request` for a name or a tenant that cannot be one
 */
export const newKey = (
  { name, tenant, limits }: { name: string; tenant: string | undefined; limits: KeyLimits },
  { now, randomBytes }: { now: number; randomBytes: (count: number) => Uint8Array }
): { key: IssuedKey; secret: string } => {
  if (name === '' || name.length > MAX_KEY_NAME_CHARS)
    throw new AppError('invalid-request', `a name must have 1 to ${MAX_KEY_NAME_CHARS} characters`)
  const id = `key-${Buffer.from(randomBytes(ID_BYTES)).toString('hex')}`
  const label = tenant ?? id
  if (!isTenantLabel(label))
    throw new AppError(
      'invalid-request',
      'a tenant must have 1 to 64 letters, digits, dots, dashes or underscores'
    )
  const secret = secretOf(randomBytes(SECRET_BYTES))
  const hash = hashOfSecret(secret)
  const key = {
    id,
    name,
    hash,
    tenant: tenantOfLabel(label),
    limits,
    createdAt: now,
    revokedAt: null,
  }
  return { key, secret }
}
