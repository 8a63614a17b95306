/**
 * An upstream that refuses a request because of what a lora has answered before it: the one sign in production that
 * our answers do not survive the client's next turn. Looked for after such a refusal only.
 */
import { isRefusedForContent } from '../../core/http-status.ts'
import { REFUSED_AFTER_OURS } from '../../core/rollout/pair.ts'
import type { RouteOutcome } from '../../core/log/record.ts'
import { readChatRequest } from '../../core/request/chat-reading.ts'
import type { ChatMessage } from '../../openai/chat.ts'
import { CALL_ID_END, ID_END } from '../../openai/ids.ts'
import type { Received } from '../exchange.ts'
import type { GivenAnswers, GivenBy } from './given-answers.ts'

const messagesOf = ({ request, exchange: { body, dialect } }: Received): readonly ChatMessage[] => {
  if (request !== null) return request.messages
  const { outcome } = readChatRequest(body, dialect)
  return typeof outcome !== 'string' && outcome.isWhole ? outcome.request.messages : []
}

const namesOurs = ({ hasOwnItems, body }: Received['exchange']): boolean =>
  hasOwnItems || body.includes(CALL_ID_END) || body.includes(ID_END)

export interface RefusedAfterOurs {
  /** null where another process has given the answer, or the conversation has counted before */
  by: GivenBy | null
}

/** @param status of the upstream's answer @returns null for any other answer */
export const refusedAfterOurs = (
  given: GivenAnswers,
  received: Received,
  status: number
): RefusedAfterOurs | null => {
  if (!isRefusedForContent(status)) return null
  const { exchange } = received
  const by = given.firstIn(exchange.tenant, messagesOf(received))
  if (by === null) return namesOurs(exchange) ? { by } : null
  if (by.isRefused) return { by: null }
  by.isRefused = true
  return { by }
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
