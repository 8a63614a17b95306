/**
 * An upstream that refuses a request because of what a lora has answered before it: the one sign in production that
 * our answers do not survive the client's next turn. Looked for after such a refusal only.
 */
import { isRefusedForContent } from '../../core/http-status.ts'
import { REFUSED_AFTER_OURS } from '../../core/rollout/pair.ts'
import type { RouteOutcome } from '../../core/log/record.ts'
import { readChatRequest } from '../../core/request/chat-reading.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import type { Fields } from '../../openai/fields.ts'
import { CALL_ID_END, ID_END } from '../../openai/ids.ts'
import type { ReadRequest } from '../read.ts'
import type { Capture } from '../upstream/capture.ts'
import { errorIn, MAX_ERROR_BYTES } from '../upstream/refusal.ts'
import type { GivenAnswers, GivenBy } from './given-answers.ts'

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
export type Refusal = Pick<Capture, 'status' | 'chunks' | 'bytes' | 'contentEncoding'>

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
  savedUsd: null,
  ...route,
  templateVersion,
  lora,
  reason: REFUSED_AFTER_OURS,
})
