/**
 * The traffic of one day: by the hour, of frequent and rare templates, with conversations, errors and audits.
 * Deterministic; knows no store.
 */
import type { ExchangeRecord, RouteOutcome } from '../../../../src/core/log/record.ts'
import { AUDIT } from '../../../../src/core/rollout/pair.ts'
import { seededRandom } from '../../../../src/random.ts'
import {
  LIVE,
  loraAt,
  modelOf,
  promptAt,
  TEMPLATES,
  tenantAt,
  tenantIndexOf,
  TENANTS,
  versionAt,
  wordsOf,
  type Random,
} from './world.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const UNTEMPLATED_SHARE = 0.15
/** of the requests that are a later turn of a conversation */
const TURN_SHARE = 0.15
const MAX_OPEN = 8
const MAX_TURNS = 6
/** shares of the records that match a live route */
const ANSWERED = 0.6
const FALLBACK = 0.1
/** of those that the lora was not asked */
const AUDITED = 0.15
/** A power of two, so that a sum is the same in any order. */

/** A logged exchange of the day, and the template that the worker finds in it. */
export interface DayRecord extends ExchangeRecord {
  /** null: none, or the route says it */
  tagged: string | null
}

/** Requests by hour, UTC: few at night, most before and after noon. */
const HOURS = Array.from(
  { length: 24 },
  (_, hour) => 1.2 - Math.cos(((hour - 2) / 24) * 2 * Math.PI)
)
const HOURS_SUM = HOURS.reduce((sum, share) => sum + share, 0)

/** @param share of the day's requests that are earlier, 0 to 1 @returns milliseconds since midnight */
const timeAt = (share: number): number => {
  let left = share * HOURS_SUM
  const hour = HOURS.findIndex((weight) => (left -= weight) < 0)
  return (hour + 1 + left / HOURS[hour]!) * HOUR_MS
}

/** By Zipf's law, so that the last templates have one request in a thousand. */
const WEIGHTS = Array.from({ length: TEMPLATES }, (_, rank) => 1 / (rank + 1))
const WEIGHTS_SUM = WEIGHTS.reduce((sum, weight) => sum + weight, 0)

const templateIn = (random: Random): number => {
  let left = random() * WEIGHTS_SUM
  const found = WEIGHTS.findIndex((weight) => (left -= weight) < 0)
  return found < 0 ? TEMPLATES - 1 : found
}

const statusIn = (random: Random): number => {
  const drawn = random()
  if (drawn < 0.975) return 200
  if (drawn < 0.99) return 429
  return drawn < 0.995 ? 499 : 500
}

/** As `src/time-ordered-id.ts` makes them. @param tail behind the time */
const idAt = (at: number, tail: string): string => {
  const time = Math.floor(at).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}-${tail}`
}

const hexOf = (random: Random, digits: number): string =>
  Math.floor(random() * 16 ** digits)
    .toString(16)
    .padStart(digits, '0')

const tailIn = (random: Random): string =>
  `7${hexOf(random, 3)}-a${hexOf(random, 3)}-${hexOf(random, 6)}${hexOf(random, 6)}`

const routeIn = (random: Random, template: number, status: number): RouteOutcome => {
  const drawn = status === 200 ? random() : 1
  const route = {
    templateVersion: versionAt(template),
    lora: loraAt(template),
    confidence: -0.01 - random(),
    promptTokensSaved: 0,
  }
  if (drawn < ANSWERED)
    return {
      ...route,
      outcome: 'answered',
      reason: null,
      promptTokensSaved: 1_180,
    }
  if (drawn < ANSWERED + FALLBACK)
    return { ...route, outcome: 'fallback', reason: 'low-confidence' }
  const reason = random() < AUDITED ? AUDIT : 'share'
  return { ...route, outcome: 'skipped', reason, confidence: null }
}

type Message = { role: string; content: string }

/** The questions and answers so far of conversations that may go on. */
type Open = Map<number, Message[][]>

/** A new conversation, or the next turn of one. */
const turnsIn = (random: Random, open: Open, template: number): Message[] => {
  const others = open.get(template) ?? []
  const goesOn = others.length > 0 && random() < TURN_SHARE
  const before = goesOn ? others.splice(Math.floor(random() * others.length), 1)[0]! : []
  const turns = [
    ...before,
    { role: 'user', content: wordsOf(random, 6 + Math.floor(random() * 20)) },
  ]
  if (turns.length < 2 * MAX_TURNS)
    others.push([...turns, { role: 'assistant', content: wordsOf(random, 2) }])
  open.set(template, others.slice(-MAX_OPEN))
  return turns
}

const bodiesOf = (
  random: Random,
  { model, status, messages }: { model: string; status: number; messages: Message[] }
): Pick<ExchangeRecord, 'request' | 'response' | 'usage'> => {
  const request = JSON.stringify({ model, temperature: 0, messages })
  if (status === 499) return { request, response: null, usage: null }
  if (status !== 200)
    return { request, response: `{"error":{"message":"status ${status}"}}`, usage: null }
  const message = { role: 'assistant', content: wordsOf(random, 2) }
  const prompt_tokens = Math.round(request.length / 3)
  return {
    request,
    response: JSON.stringify({
      id: `chatcmpl-${hexOf(random, 12)}`,
      object: 'chat.completion',
      model,
      choices: [{ index: 0, message, finish_reason: 'stop' }],
    }),
    usage: { prompt_tokens, completion_tokens: 6, total_tokens: prompt_tokens + 6 },
  }
}

/** Prompts that are another one with each request. */
const UNTEMPLATED = -1

/** @param day since the epoch @returns its exchanges, oldest first */
export function* exchangesOf(day: number, count: number): Generator<DayRecord> {
  const random = seededRandom(day)
  const prompts = Array.from({ length: TEMPLATES }, (_, template) => promptAt(template))
  const open: Open = new Map()
  const date = new Date(day * DAY_MS).toISOString().slice(0, 10)
  for (let index = 0; index < count; index++) {
    const at = Math.floor(day * DAY_MS + timeAt((index + random()) / count))
    const template = random() < UNTEMPLATED_SHARE ? UNTEMPLATED : templateIn(random)
    const isFree = template === UNTEMPLATED
    const tenant = isFree ? Math.floor(random() ** 2 * TENANTS) : tenantIndexOf(template)
    const status = statusIn(random)
    const prompt = isFree ? wordsOf(random, 60) : `Today is ${date}\n${prompts[template]}`
    const messages = [{ role: 'system', content: prompt }, ...turnsIn(random, open, template)]
    const isLive = !isFree && template < LIVE
    yield {
      id: idAt(at, tailIn(random)),
      at,
      tenant: tenantAt(tenant),
      model: modelOf(tenant),
      path: '/v1/chat/completions',
      streamed: random() < 0.5,
      status,
      firstByteMs: 50 + Math.floor(random() * 400),
      durationMs: 200 + Math.floor(random() * 1_500),
      ...bodiesOf(random, { model: modelOf(tenant), status, messages }),
      route: isLive ? routeIn(random, template, status) : null,
      tagged: isLive || isFree || status !== 200 ? null : versionAt(template),
    }
  }
}
