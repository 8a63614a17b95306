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
import { MAX_COMMENT_CHARS, THUMBS, type Thumb } from '../../core/log/feedback.ts'
import { type Fields, isFields } from '../../openai/fields.ts'

interface GivenFeedback {
  record: string
  /** null takes an earlier one back */
  rating: Thumb | null
  comment: string | null
}

/** The proxy's ids have 36 characters. */
const MAX_ID_CHARS = 100

const invalid = (param: string, message: string): AppError =>
  new AppError('invalid-request', `${param}: ${message}`, { param })

/** @throws AppError `invalid-request` */
const objectIn = (text: string): Fields => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError('invalid-request', 'the body is not JSON', { cause })
  }
  if (isFields(value)) return value
  throw new AppError('invalid-request', 'the body is not a JSON object')
}

const isThumb = (value: unknown): value is Thumb => THUMBS.some((thumb) => thumb === value)

/** @throws AppError `invalid-request` that names the wrong member */
const readFeedback = (text: string): GivenFeedback => {
  const { record, rating, comment = null } = objectIn(text)
  if (typeof record !== 'string' || record === '' || record.length > MAX_ID_CHARS)
    throw invalid(
      'record',
      'must be the id that the answer has in the header x-promptintern-record'
    )
  if (rating !== null && !isThumb(rating))
    throw invalid('rating', `must be ${THUMBS.map((thumb) => `"${thumb}"`).join(' or ')}, or null`)
  if (comment !== null && (typeof comment !== 'string' || comment.length > MAX_COMMENT_CHARS))
    throw invalid('comment', `must be a text of at most ${MAX_COMMENT_CHARS} characters`)
  return { record, rating, comment }
}

export interface FeedbackDeps {
  tenants: Pick<Tenants, 'identify'>
  /** whether the upstream has answered a request of the tenant lately: a made-up credential has no answers */
  isKnown: (tenant: string) => boolean
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
/** Of one tenant. A request over it is refused before its body is read. */
const PER_MINUTE = 600
/** Tenants whose rate is remembered; an entry takes about 200 bytes. */
const MAX_TENANTS = 10_000
/**
 * Callers may make up credentials, each with a rate of its own, so the queues of known callers and of others are
 * bounded: each to some 3 MB.
 */
const MAX_WAITING = 1000

const limitBody = bodyLimit({
  maxSize: MAX_BODY_BYTES,
  onError: () => {
    throw new AppError(
      'body-too-large',
      `a feedback request may have at most ${MAX_BODY_BYTES} bytes`
    )
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
      throw new AppError(
        'rate-limited',
        `a key may send ${PER_MINUTE} feedback requests a minute`,
        {
          retryAfterSeconds: Math.ceil(waitMs / 1000),
        }
      )
    rate.take(1, now())
  }
}

/**
 * Stores one after another, so that the log and the watch of the routes wait for one feedback at most. Known
 * callers come first, and have a queue that others cannot fill.
 * @returns throws AppError `overloaded` when too many wait
 */
const createQueue = ({ put, now, isKnown }: FeedbackDeps) => {
  const known: (() => Promise<void>)[] = []
  const strangers: (() => Promise<void>)[] = []
  const take = () => known.shift() ?? strangers.shift()
  let isRunning = false
  const run = async (): Promise<void> => {
    isRunning = true
    for (let next = take(); next; next = take()) await next()
    isRunning = false
  }
  return (feedback: GivenFeedback, tenant: string): Promise<void> => {
    const waiting = isKnown(tenant) ? known : strangers
    if (waiting.length >= MAX_WAITING)
      throw new AppError(
        'overloaded',
        'too many feedback requests wait for the log; try again soon',
        {
          retryAfterSeconds: 1,
        }
      )
    return new Promise((resolve, reject) => {
      waiting.push(async () => put(feedback, tenant, Math.floor(now())).then(resolve, reject))
      if (!isRunning) void run()
    })
  }
}

export const createFeedbackApp = (deps: FeedbackDeps): FeedbackApp => {
  const admit = createAdmission(deps.now)
  const store = createQueue(deps)
  const tenantOf = ({ incoming }: HttpBindings): string => deps.tenants.identify(incoming).tenant
  return new Hono<{ Bindings: HttpBindings }>().post(
    '/feedback',
    async ({ env }, next) => {
      admit(tenantOf(env))
      await next()
    },
    limitBody,
    async (context) => {
      const feedback = readFeedback(await context.req.text())
      await store(feedback, tenantOf(context.env))
      const { record, rating } = feedback
      return context.json({ record, rating })
    }
  )
}
