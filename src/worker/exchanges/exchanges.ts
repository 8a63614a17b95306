/**
 * From log records to a template's population: every request that the template matches, that a route
 * may answer by its form, and that the upstream answered with 2xx, with any outcome. Records that a
 * lora answered are excluded: otherwise a lora would be trained on its own answers.
 */
import { completionOf, requestOf } from '../../core/log/record-bodies.ts'
import { compileMatcher, type Matcher } from '../../core/match/match.ts'
import { templateKeyOf } from '../../core/template/template-key.ts'
import { outcomeOf, type Outcome } from '../../core/answer/outcome.ts'
import {
  askedIn,
  isAnsweredByUpstream,
  isRandom,
  withConversations,
} from '../../core/rollout/population.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import { eligibility } from '../../core/route/route.ts'
import type { Match, Template } from '../../core/template/template.ts'
import type { ChatCompletion, ChatRequest } from '../../openai/chat.ts'
import type { Store } from '../../store/store.ts'

export interface MatchedExchange {
  id: string
  at: number
  /** the same key for all turns of one conversation */
  conversation: string
  query: string
  outcome: Outcome
  match: Match
  /** as the upstream read it */
  request: ChatRequest
  /** `system_fingerprint` of the upstream's answer */
  fingerprint: string | null
  /** `model` of the upstream's answer, with the fingerprint behind it */
  upstreamModel: string | null
  /** whether the upstream answered for a reason that does not depend on the question (`isRandom`) */
  isSample: boolean
}

/** @param logged an answer that is null, or no completion, gives `unreadable` */
export const outcomeOfLogged = (logged: { path: string; response: string | null }): Outcome =>
  outcomeOf(completionOf(logged))

const fingerprintOf = (completion: ChatCompletion | null): string | null => {
  const fingerprint = completion?.['system_fingerprint']
  return typeof fingerprint === 'string' ? fingerprint : null
}

const upstreamModelOf = (completion: ChatCompletion | null): string | null => {
  const names = [completion?.model, fingerprintOf(completion)]
  return names.filter((name) => typeof name === 'string' && name !== '').join(' ') || null
}

/** Before conversations are told apart, which takes all exchanges together. */
type SingleExchange = Omit<MatchedExchange, 'conversation'>

const exchangeOf = (
  matcher: Matcher,
  record: StoredRecord,
  kindShare: number
): SingleExchange | null => {
  if (!isAnsweredByUpstream(record)) return null
  const request = requestOf(record)
  if (request === null) return null
  const match = matcher.match(templateKeyOf(request, record.tenant), request.messages)
  if (match === null || eligibility(request, match.template) !== null) return null
  const completion = completionOf(record)
  return {
    id: record.id,
    at: record.at,
    query: askedIn(match),
    outcome: outcomeOf(completion),
    match,
    request,
    fingerprint: fingerprintOf(completion),
    upstreamModel: upstreamModelOf(completion),
    isSample: isRandom(record, kindShare),
  }
}

const PAGE_ROWS = 500

/**
 * The newest `limit` exchanges of the template's population, in time order.
 * @param since milliseconds since the epoch; older ones are left out
 * @param kindShare see `isRandom`
 */
export const loadExchanges = async (
  store: Store,
  template: Template,
  { limit, since, kindShare }: { limit: number; since: number; kindShare: number }
): Promise<MatchedExchange[]> => {
  const matcher = compileMatcher([template])
  const exchanges: SingleExchange[] = []
  let before: number | undefined
  while (exchanges.length < limit) {
    const page = await store.records.list({
      templateVersion: template.version,
      order: 'desc',
      limit: PAGE_ROWS,
      ...(before === undefined ? {} : { after: before }),
    })
    const wanted = page.filter(({ at }) => at >= since)
    exchanges.push(...wanted.flatMap((record) => exchangeOf(matcher, record, kindShare) ?? []))
    if (wanted.length < PAGE_ROWS) break
    before = page.at(-1)!.sequence
  }
  return withConversations(exchanges.slice(0, limit).reverse())
}

/**
 * The exchanges of the given records, in the order of the ids. Conversation keys are computed from
 * these records only.
 */
export const exchangesByIds = async (
  store: Store,
  template: Template,
  ids: string[]
): Promise<MatchedExchange[]> => {
  const matcher = compileMatcher([template])
  const byId = new Map<string, SingleExchange>()
  for (let start = 0; start < ids.length; start += PAGE_ROWS) {
    for (const record of await store.records.byIds(ids.slice(start, start + PAGE_ROWS))) {
      const exchange = exchangeOf(matcher, record, 1)
      if (exchange !== null) byId.set(record.id, exchange)
    }
  }
  const inTime = [...byId.values()].toSorted((a, b) => a.at - b.at)
  const known = new Map(withConversations(inTime).map((exchange) => [exchange.id, exchange]))
  return ids.flatMap((id) => known.get(id) ?? [])
}
