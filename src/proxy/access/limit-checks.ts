/** What the caller of a key is told when a limit refuses the request. */
import type { Amounts } from '../../core/keys/account.ts'
import { allowsModel, type KeyLimits } from '../../core/keys/issued-key.ts'
import type { Shortage } from '../../core/keys/slice.ts'
import { findUnlimitedMember } from '../../core/request/limited-members.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { AppError } from '../../errors.ts'

const retryAfter = (waitMs: number): { retryAfterSeconds?: number } =>
  Number.isFinite(waitMs) ? { retryAfterSeconds: Math.ceil(waitMs / 1000) } : {}

/** @throws AppError `forbidden` */
export const checkModel = (limits: KeyLimits, model: string): void => {
  if (allowsModel(limits, model)) return
  throw new AppError('forbidden', `this key may not use the model ${JSON.stringify(model)}`, {
    param: 'model',
  })
}

const MAX_SHOWN_CHARS = 64

/**
 * Refuses members that may choose another model, another host, or something of the operator's account.
 * @throws AppError `invalid-request`
 */
export const checkMembers = (request: ChatRequest): void => {
  const member = findUnlimitedMember(request)?.slice(0, MAX_SHOWN_CHARS)
  if (member === undefined) return
  const why =
    member === 'tools'
      ? 'the type of a tool must be function or custom'
      : `the member ${JSON.stringify(member)} may choose another model, host or resource: leave it out`
  throw new AppError('invalid-request', `this key has limits, and ${why}`, { param: member })
}

const messageOf = (
  { requestsPerMinute, tokensPerMinute, budget }: KeyLimits,
  { tokens, usd }: Amounts,
  limit: keyof Amounts
): string => {
  if (limit === 'requests') return `this key may make ${requestsPerMinute} requests a minute`
  if (limit === 'tokens')
    return (
      `this key may use ${tokensPerMinute} tokens a minute, and this request may use ${tokens}; ` +
      'set a lower max_completion_tokens'
    )
  const { usd: ofBudget, period } = budget!
  return (
    `this request may cost up to ${usd.toFixed(6)} USD, more than is left of this key's ${ofBudget} USD ` +
    `${period === 'total' ? 'in all' : `a ${period}`}; set a lower max_completion_tokens`
  )
}

/** `budget-exceeded` or `rate-limited`; without a waiting time where waiting does not help. */
export const shortageError = (
  limits: KeyLimits,
  amounts: Amounts,
  { limit, waitMs }: Shortage
): AppError =>
  new AppError(
    limit === 'usd' ? 'budget-exceeded' : 'rate-limited',
    messageOf(limits, amounts, limit),
    retryAfter(waitMs)
  )

/** The money may be there, but the database cannot be asked. */
export const unknownBudgetError = (): AppError =>
  new AppError(
    'store-unavailable',
    'the proxy cannot reach its database, so it does not know what is left of the budget of this key; try again soon',
    { retryAfterSeconds: 1 }
  )
