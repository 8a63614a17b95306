/**
 * `POST /v1/promptintern/feedback`: an application sends its users' ratings of answers, with the credential
 * that asked for the answers. It knows no database: `put` is passed in.
 */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { LRUCache } from 'lru-cache'
import { RateLimit } from '../../core/keys/rate-limit.ts'
import { AppError } from '../../errors.ts'
import type { Tenants } from '../access/tenants.ts'
import { readFeedback, type GivenFeedback } from './read-feedback.ts'

export interface FeedbackDeps {
  tenants: Pick<Tenants, 'identify'>
  /**
   * Stores the feedback of a tenant.
   * @param at milliseconds since the epoch
   * @throws AppError `not-found` when the log has no such record of the tenant
   */
  put: (feedback: GivenFeedback, tenant: string, at: number) => Promise<void>
  /** milliseconds since the epoch */
  now: () => number
}

export type FeedbackApp = Hono<{ Bindings: HttpBindings }>

/** A comment of the longest length takes 6 KB if each of its characters is escaped. */
const MAX_BODY_BYTES = 16 * 1024
/** Of one tenant. A flood costs no more than this: what is over it is refused before its body is read. */
const PER_MINUTE = 600
/** Tenants whose rate is remembered; an entry takes about 200 bytes. */
const MAX_TENANTS = 10_000
/** Callers may make up credentials, each with a rate of its own: so what waits for the store is bounded. */
const MAX_WAITING = 100

const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new AppError('body-too-large', `a feedback has at most ${MAX_BODY_BYTES} bytes`)
  },
})

/** @returns throws AppError `rate-limited` for a tenant that sends too many */
const createAdmission = (now: () => number): ((tenant: string) => void) => {
  const rates = new LRUCache<string, RateLimit>({ max: MAX_TENANTS })
  return (tenant) => {
    const rate = rates.get(tenant) ?? new RateLimit(PER_MINUTE, now())
    rates.set(tenant, rate)
    const waitMs = rate.waitMs(1, now())
    if (waitMs > 0)
      throw new AppError('rate-limited', `a key may send ${PER_MINUTE} feedbacks a minute`, {
        retryAfterSeconds: Math.ceil(waitMs / 1000),
      })
    rate.take(1, now())
  }
}

export const createFeedbackApp = ({ tenants, put, now }: FeedbackDeps): FeedbackApp => {
  const admit = createAdmission(now)
  let waiting = 0
  const store = async (feedback: GivenFeedback, tenant: string): Promise<void> => {
    if (waiting >= MAX_WAITING)
      throw new AppError('overloaded', 'too many feedbacks wait for the log; try again soon', {
        retryAfterSeconds: 1,
      })
    waiting++
    try {
      await put(feedback, tenant, Math.floor(now()))
    } finally {
      waiting--
    }
  }
  return new Hono<{ Bindings: HttpBindings }>().post(
    '/feedback',
    async ({ env }, next) => {
      admit(tenants.identify(env.incoming).tenant)
      await next()
    },
    limitBody,
    async (context) => {
      const feedback = readFeedback(await context.req.text())
      await store(feedback, tenants.identify(context.env.incoming).tenant)
      const { record, rating } = feedback
      return context.json({ record, rating })
    }
  )
}
