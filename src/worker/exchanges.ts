/**
 * From log records to exchanges: a request that the template recognizes, with the answer that the
 * upstream gave. Records that a lora answered are left out, or a lora would learn from itself.
 */
import { readChatRequest } from '../core/chat-reading.ts'
import type { Match, Template } from '../core/template.ts'
import { compileMatcher, type Matcher } from '../core/match.ts'
import { templateKeyOf } from '../core/match/template-key.ts'
import type { StoredRecord } from '../core/record.ts'
import type { ChatCompletion, ChatMessage, ChatRequest } from '../openai/chat.ts'
import type { Store } from '../store/store.ts'

export interface Exchange {
  id: string
  at: number
  /** exchanges of one conversation share it */
  session: string
  query: string
  answer: string
  match: Match
  /** the request's, as the upstream read them */
  messages: ChatMessage[]
  /** `system_fingerprint` of the upstream's answer */
  fingerprint: string | null
}

const parse = <T>(text: string | null): T | null => {
  if (text === null) return null
  try {
    return JSON.parse(text) as T
  } catch {
    return null
  }
}

/** @returns null for what the proxy would not match either: no chat request, too long or too deep */
export const requestOf = ({ request }: Pick<StoredRecord, 'request'>): ChatRequest | null => {
  if (request === null) return null
  const { outcome } = readChatRequest(Buffer.from(request))
  return typeof outcome !== 'string' && outcome.isWhole ? outcome.request : null
}

const answerOfCompletion = (completion: ChatCompletion | null): string | null => {
  const choice = completion?.choices?.[0]
  if (choice === undefined || choice.finish_reason !== 'stop') return null
  const { content, tool_calls: toolCalls } = choice.message
  if (toolCalls !== undefined && toolCalls.length > 0) return null
  return typeof content === 'string' && content !== '' ? content : null
}

/** The text a completion ends with; null for tool calls, refusals and answers that were cut. */
export const answerOf = (responseText: string | null): string | null =>
  answerOfCompletion(parse<ChatCompletion>(responseText))

const fingerprintOf = (completion: ChatCompletion | null): string | null => {
  const fingerprint = completion?.system_fingerprint
  return typeof fingerprint === 'string' ? fingerprint : null
}

export const exchangeOf = (matcher: Matcher, record: StoredRecord): Exchange | null => {
  if (record.route?.outcome === 'answered') return null
  const completion = parse<ChatCompletion>(record.response)
  const answer = answerOfCompletion(completion)
  const request = requestOf(record)
  if (answer === null || request === null) return null
  const match = matcher.match(templateKeyOf(request, record.tenant), request.messages)
  if (match === null) return null
  return {
    id: record.id,
    at: record.at,
    session: match.turns.length === 0 ? record.id : (match.turns[0]?.content ?? record.id),
    query: [match.query, ...match.turns.map((turn) => turn.content)].join('\n'),
    answer,
    match,
    messages: request.messages,
    fingerprint: fingerprintOf(completion),
  }
}

const PAGE_ROWS = 500

/** The template's exchanges, newest `limit` at most, in time order. */
export const loadExchanges = async (
  store: Store,
  template: Template,
  limit: number
): Promise<Exchange[]> => {
  const matcher = compileMatcher([template])
  const exchanges: Exchange[] = []
  let before: number | undefined
  while (exchanges.length < limit) {
    const page = await store.records.list({
      templateVersion: template.version,
      order: 'desc',
      limit: PAGE_ROWS,
      answeredOnly: true,
      ...(before === undefined ? {} : { after: before }),
    })
    exchanges.push(...page.flatMap((record) => exchangeOf(matcher, record) ?? []))
    if (page.length < PAGE_ROWS) break
    before = page.at(-1)!.sequence
  }
  return exchanges.slice(0, limit).reverse()
}

/** The exchanges of the given records, in the order of the ids. */
export const exchangesByIds = async (
  store: Store,
  template: Template,
  ids: string[]
): Promise<Exchange[]> => {
  const matcher = compileMatcher([template])
  const byId = new Map<string, Exchange>()
  for (let start = 0; start < ids.length; start += PAGE_ROWS) {
    for (const record of await store.records.byIds(ids.slice(start, start + PAGE_ROWS))) {
      const exchange = exchangeOf(matcher, record)
      if (exchange !== null) byId.set(record.id, exchange)
    }
  }
  return ids.flatMap((id) => byId.get(id) ?? [])
}
