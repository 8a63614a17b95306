/**
 * One attempt to deliver an event: a signed POST by the Standard Webhooks specification 1.0.0
 * (https://www.standardwebhooks.com), or a message for Slack, whose URL is the secret. Redirects are not followed, and the body of an answer is not read.
 */
import { createHmac } from 'node:crypto'
import { AppError } from '../../errors.ts'
import type { WebhookTarget, WorkerDeps } from '../deps.ts'
import { bodyOf, type EventType, type WebhookEvent } from './event.ts'
import { percent } from '../../core/figure-text.ts'
import { stageName } from '../../core/rollout/stages.ts'
import { shortId } from '../../core/template/name.ts'

/** An event as the body of an incoming webhook of Slack, which Mattermost and others read, too. Pure. */
const WORDS: Record<EventType, string> = {
  'internalization.approval': 'waits for your approval',
  'internalization.rejected': 'was rejected',
  'internalization.failed': 'failed',
  'rollout.promoted': 'is live',
  'rollout.stage': 'entered another stage',
  'rollout.border': 'answers more of its requests',
  'rollout.narrowed': 'answers fewer of its requests: the answers to the others got worse',
  'rollout.withheld': 'no longer answers a part of its requests',
  'rollout.paused': 'is paused: the upstream answers its requests',
  'rollout.resumed': 'goes on after a pause',
  'rollout.drift': 'drifts: its audited answers disagree more often than in the proof',
  'rollout.rolled_back': 'was rolled back: the upstream answers its requests',
  'rollout.retired': 'was replaced by its successor',
  'rollout.restored': 'is live again, as its successor was rolled back',
}

/** Is not seen, and ends the name that an `@` begins. */
const ZERO_WIDTH_SPACE = '\u200b'

/**
 * https://docs.slack.dev/messaging/formatting-message-text: three characters begin its own syntax. Mattermost calls
 * a whole channel where a text has `@channel`, and people choose the names that they sign in with.
 */
const escaped = (text: string): string =>
  text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', `@${ZERO_WIDTH_SPACE}`)

export const slackBody = ({ type, data }: WebhookEvent): string => {
  const { template, internalization, to, by, reason, proof } = data
  const lines = [
    `Template \`${shortId(template)}\` ${WORDS[type]}`,
    ...(to.share === null ? [] : [`stage: ${stageName({ share: to.share })}`]),
    ...(reason === null ? [] : [`why: ${reason.says}`]),
    ...(proof === null
      ? []
      : [
          `proof: answers ${percent(proof.coverage)} of the requests; at least ` +
            `${percent(proof.agreementAnsweredBound)} of these answers agree with the upstream`,
        ]),
    `internalization \`${shortId(internalization)}\`, by ${by}`,
  ]
  return JSON.stringify({ text: escaped(lines.join('\n')) })
}

export type Delivery =
  | { kind: 'delivered' }
  /** the receiver wants no more events */
  | { kind: 'gone' }
  /** `retryAfterMs`: 0 when the receiver did not say */
  | { kind: 'failed'; error: AppError; retryAfterMs: number }

/** Never rejects. The signal ends the attempt. */
export type PostEvent = (event: WebhookEvent, signal: AbortSignal) => Promise<Delivery>

const ANSWER_MS = 10_000
const GONE = 410

/** Value of `webhook-signature`. @param timestamp seconds since the epoch, of the attempt */
export const signatureOf = (
  secret: string,
  { id, timestamp, body }: { id: string; timestamp: number; body: string }
): string => {
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const mac = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
  return `v1,${mac}`
}

const HEADERS = { 'content-type': 'application/json', 'user-agent': 'promptintern-proxy' }

const signed = (secret: string, event: WebhookEvent, now: number) => {
  const { id } = event
  const timestamp = Math.floor(now / 1000)
  const body = bodyOf(event)
  const signature = signatureOf(secret, { id, timestamp, body })
  const own = { 'webhook-id': id, 'webhook-timestamp': String(timestamp) }
  return { headers: { ...HEADERS, ...own, 'webhook-signature': signature }, body }
}

const deliveryOf = ({ ok, status, headers }: Response): Delivery => {
  if (ok) return { kind: 'delivered' }
  if (status === GONE) return { kind: 'gone' }
  const error = new AppError('webhook-unavailable', `the webhook answered with status ${status}`)
  const seconds = Number(headers.get('retry-after') ?? 0)
  return { kind: 'failed', error, retryAfterMs: seconds > 0 ? 1000 * seconds : 0 }
}

const failure = (cause: unknown): Delivery => ({
  kind: 'failed',
  error:
    cause instanceof AppError
      ? cause
      : new AppError('webhook-unavailable', 'the webhook cannot be reached', { cause }),
  retryAfterMs: 0,
})

const abortAfterLimit = async (
  limit: AbortController,
  sleep: WorkerDeps['sleep'],
  ended: AbortSignal
): Promise<void> => {
  await sleep(ANSWER_MS, ended)
  const message = `the webhook did not answer within ${ANSWER_MS} ms`
  limit.abort(new AppError('webhook-unavailable', message))
}

export const createPost = (
  { url, secret, fetch }: WebhookTarget,
  { now, sleep }: Pick<WorkerDeps, 'now' | 'sleep'>
): PostEvent => {
  const post = async (event: WebhookEvent, signal: AbortSignal): Promise<Delivery> => {
    const sent =
      secret === null ? { headers: HEADERS, body: slackBody(event) } : signed(secret, event, now())
    const request = { method: 'POST', ...sent, signal, redirect: 'manual' } as const
    const response = await fetch(url, request)
    await response.body?.cancel()
    return deliveryOf(response)
  }
  return async (event, signal) => {
    const limit = new AbortController()
    const ended = new AbortController()
    void abortAfterLimit(limit, sleep, ended.signal)
    try {
      return await post(event, AbortSignal.any([signal, limit.signal]))
    } catch (error) {
      return failure(error)
    } finally {
      ended.abort()
    }
  }
}
