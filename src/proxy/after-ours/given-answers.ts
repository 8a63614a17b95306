/**
 * The answers of loras that this process has given lately, so that a request that continues one is told from
 * others. Keeps digests of a question and its answer, no texts. What another process gave is not known here.
 *
 * An upstream that refuses a request because of what a lora has answered before it: the one sign in production that
 * our answers do not survive the client's next turn. Looked for after such a refusal only.
 */
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { callLine, isCallText, parseCalls } from '../../core/answer/calls.ts'
import { messageText } from '../../core/request/request-scan.ts'
import type { RouteOutcome } from '../../core/log/record.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import { isRefusedForContent } from '../../core/http-status.ts'
import { REFUSED_AFTER_OURS } from '../../core/rollout/pair.ts'
import { readChatRequest } from '../../core/request/chat-reading.ts'
import type { Fields } from '../../openai/fields.ts'
import { CALL_ID_END, ID_END } from '../../openai/ids.ts'
import type { ReadRequest } from '../read.ts'
import type { Capture } from '../upstream/capture.ts'
import { errorIn, MAX_ERROR_BYTES } from '../upstream/refusal.ts'

/** A request as far as it was read. */
type Refused = Pick<ReadRequest, 'request' | 'exchange'>

const messagesOf = ({ request, exchange: { body, dialect } }: Refused): readonly ChatMessage[] => {
  if (request !== null) return request.messages
  const { outcome } = readChatRequest(body, dialect)
  return typeof outcome !== 'string' && outcome.isWhole ? outcome.request.messages : []
}

/** In the places of ids alone: anybody may write the mark into a text. */
const OWN_ID = new RegExp(
  `"(?:id|call_id|tool_call_id|previous_response_id)"\\s*:\\s*"[\\w-]{1,64}?(?:${CALL_ID_END}|${ID_END})`,
  'u'
)

const namesOurs = ({ hasOwnItems, body }: Refused['exchange']): boolean =>
  hasOwnItems ||
  ((body.includes(CALL_ID_END) || body.includes(ID_END)) && OWN_ID.test(body.toString('latin1')))

/** What an upstream says that it has refused; empty where it does not say. */
const refusedIn = ({ chunks, bytes, contentEncoding }: Refusal): Fields =>
  contentEncoding !== '' || bytes > MAX_ERROR_BYTES ? {} : errorIn(Buffer.concat(chunks).toString())

/** The conversation, in either API. */
const OF_HISTORY = /^(?:messages|input|previous_response_id)\b/

/** These codes refuse what the client has written or chosen, not an earlier answer. */
const OWN_CODES: ReadonlySet<unknown> = new Set([
  'model_not_found',
  'context_length_exceeded',
  'content_filter',
  'content_policy_violation',
  'invalid_prompt',
])

const isForHistory = ({ param, code }: Fields): boolean =>
  !OWN_CODES.has(code) && (typeof param !== 'string' || OF_HISTORY.test(param))

/** What the upstream has answered. */
type Refusal = Pick<Capture, 'status' | 'chunks' | 'bytes' | 'contentEncoding'>

export interface RefusedAfterOurs {
  /** null where another process has given the answer, or its conversation has counted before */
  by: GivenBy | null
}

/** @returns null for any other answer, and for a refusal that the answer of a lora cannot have caused */
export const refusedAfterOurs = (
  given: Pick<GivenAnswers, 'lastIn' | 'count'>,
  read: Refused,
  refusal: Refusal
): RefusedAfterOurs | null => {
  if (!isRefusedForContent(refusal.status)) return null
  const { exchange } = read
  const by = given.lastIn(exchange.tenant, messagesOf(read))
  if (by === null && !namesOurs(exchange)) return null
  if (!isForHistory(refusedIn(refusal))) return null
  if (by === null) return { by }
  // the route has proven nothing of another model
  if (by.model !== exchange.model) return null
  return { by: given.count(by) ? by : null }
}

/** The outcome in the record, of the route that has given the answer. @param route without the refusal */
export const refusedOutcome = (
  { templateVersion, lora }: GivenBy,
  route: RouteOutcome | null
): RouteOutcome => ({
  outcome: 'skipped',
  confidence: null,
  promptTokensSaved: 0,
  ...route,
  templateVersion,
  lora,
  reason: REFUSED_AFTER_OURS,
})

/** Whose answer it was. */
export interface GivenBy extends Pick<RouteOutcome, 'templateVersion' | 'lora'> {
  /** that the request asked for */
  model: string
}

interface Given extends GivenBy {
  /** conversations that have it and whose refusal was not counted yet: each counts once */
  uncounted: number
}

export type GivenAnswers = ReturnType<typeof createGivenAnswers>

/** One takes some 300 bytes. */
const MAX_GIVEN = 10_000

/** @returns null where one of both is no text */
const keyOf = (
  tenant: string,
  question: ChatMessage | undefined,
  answer: string
): string | null => {
  const asked = question === undefined ? null : messageText(question)
  return asked === null ? null : hash('sha256', JSON.stringify([tenant, asked, answer]))
}

/** Calls as a history has them. */
const answerText = (content: string): string =>
  (isCallText(content) ? parseCalls(content)?.map(callLine).join('\n') : null) ?? content

export const createGivenAnswers = () => {
  const given = new LRUCache<string, Given>({ max: MAX_GIVEN })
  return {
    /** @param messages of the request, with calls as texts @param content of the answer */
    add: (
      tenant: string,
      messages: readonly ChatMessage[],
      content: string,
      { templateVersion, lora, model }: GivenBy
    ): void => {
      const key = keyOf(tenant, messages.at(-1), answerText(content))
      if (key === null) return
      const before = given.get(key)
      const uncounted = before?.lora === lora ? before.uncounted + 1 : 1
      given.set(key, { templateVersion, lora, model, uncounted })
    },
    /** The last of them in a history, which the refusal is about; null where there is none. */
    lastIn: (tenant: string, messages: readonly ChatMessage[]): GivenBy | null => {
      for (let at = messages.length - 1; at > 0; at--) {
        const message = messages[at]
        const text = message?.role === 'assistant' ? messageText(message) : null
        const key = text === null ? null : keyOf(tenant, messages[at - 1], text)
        const known = key === null ? undefined : given.get(key)
        if (known !== undefined) return known
      }
      return null
    },
    /** @returns whether a refusal after this answer counts: as often as the answer was given */
    count: (by: GivenBy): boolean => {
      const known = by as Given
      if (known.uncounted === 0) return false
      known.uncounted--
      return true
    },
  }
}
