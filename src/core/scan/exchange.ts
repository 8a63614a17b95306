/**
 * An exchange of a template as a scan keeps it: what the split, the head and the gate read, and nothing else
 * of the request. The worker's population has the same members (`worker/exchanges/exchanges.ts`).
 */
import type { ChatCompletion, ChatRequest } from '../../openai/chat.ts'
import { outcomeOf, textOf, type Outcome } from '../answer/outcome.ts'
import type { SplittableExchange } from '../learn/dataset.ts'
import { askedIn, isAnsweredByUpstream, isRandom } from '../rollout/population.ts'
import type { ExchangeRecord } from '../log/record.ts'
import { completionOf, clearRequestOf } from '../log/record-bodies.ts'
import { kindOf, type RequestKind } from '../route/request-kind.ts'
import { eligibility } from '../route/route.ts'
import type { Match } from '../template/template.ts'

/** A record with its bodies parsed. */
export interface ReadExchange {
  request: ChatRequest
  /** null where the log has no completion */
  completion: ChatCompletion | null
}

/** @returns null for a body that the proxy does not match either, and for one that was pruned */
export const readExchange = (
  record: Pick<ExchangeRecord, 'path' | 'envelope' | 'request' | 'response'>
): ReadExchange | null => {
  const request = clearRequestOf(record)
  return request && { request, completion: completionOf(record) }
}

export interface ScannedExchange extends SplittableExchange {
  outcome: Outcome
  match: Match
  kind: RequestKind
}

/** Before conversations are told apart, which takes all exchanges together. */
export type SingleExchange = Omit<ScannedExchange, 'conversation'>

type Heading = Pick<ExchangeRecord, 'id' | 'status' | 'route'>

/**
 * A text of its own. Parts of a parsed text keep the whole of it in memory: some kilobytes of prompt for each
 * query.
 */
const detached = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le')

const detachedMatch = ({ template, slots, query, turns }: Match): Match => ({
  template,
  slots: Object.fromEntries(Object.entries(slots).map(([name, value]) => [name, detached(value)])),
  // removed from every prompt of a route
  examples: {},
  query: detached(query),
  turns: turns.map((turn) => ({ ...turn, content: detached(turn.content) })),
})

const detachedOutcome = (outcome: Outcome): Outcome =>
  outcome.kind === 'text' ? { kind: 'text', text: detached(outcome.text) } : outcome

/**
 * @param at milliseconds since the epoch, or the place in the log where no time is known
 * @returns null for one that is not in the population of the template
 */
export const exchangeOf = (
  record: Heading & { at: number },
  { request, completion }: ReadExchange,
  found: Match
): SingleExchange | null => {
  if (!isAnsweredByUpstream(record) || eligibility(request, found.template) !== null) return null
  const match = detachedMatch(found)
  return {
    id: record.id,
    at: record.at,
    query: askedIn(match),
    outcome: detachedOutcome(outcomeOf(completion)),
    match,
    kind: kindOf(request, match),
    // a scan does not know how much is audited
    isSample: isRandom(record, 0),
  }
}

/** UTF-16, and some hundred bytes of objects. */
export const bytesOfExchange = ({ query, outcome, match }: SingleExchange): number =>
  600 +
  2 *
    (2 * query.length +
      (textOf(outcome)?.length ?? 0) +
      Object.values(match.slots).reduce((sum, value) => sum + value.length, 0))
