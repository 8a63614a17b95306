/**
 * The population of a template: which records of a log belong to it, and which of them are a random part of the
 * traffic. Worker and scan read logs in ways of their own and agree on this.
 */
import { hash } from 'node:crypto'
import { textOf, type Outcome } from '../answer/outcome.ts'
import type { Bought, ExchangeRecord } from '../log/record.ts'
import { conversationKeys } from '../request/conversation.ts'
import { AUDIT } from './pair.ts'
import type { Match } from '../template/template.ts'
import { isSuccess } from '../http-status.ts'
import { zip } from '../lists.ts'

type Heading = Pick<ExchangeRecord, 'id' | 'status' | 'route'>

/** Answers of a lora are left out: otherwise a lora would be trained on its own answers. */
export const isAnsweredByUpstream = ({
  status,
  route,
}: Pick<Heading, 'status' | 'route'>): boolean => isSuccess(status) && route?.outcome !== 'answered'

/**
 * Reasons that are drawn at random. A paused engine or a credential also sends any question to the upstream,
 * but at some times or for some callers more than for others.
 */
const RANDOM_REASONS = new Set<string | null>([AUDIT, 'traffic-share'])

/** Whether the upstream answered because it was drawn, and not for what the request is. */
export const isDrawn = (reason: string | null): boolean => RANDOM_REASONS.has(reason)

/** Uniform in [0, 1), and always the same for an id. */
export const hashedShare = (id: string): number =>
  hash('sha256', id, 'buffer').readUInt32LE(0) / 2 ** 32

/**
 * Whether a record is a random part of the traffic. Those that the lora was unsure of are not.
 * @param kindShare of the requests of a kind that was not proven: as many as of the other kinds are audited
 */
export const isRandom = (
  { id, route }: Pick<Heading, 'id' | 'route'>,
  kindShare: number
): boolean => {
  if (route === null) return true
  if (route.outcome !== 'skipped') return false
  if (route.reason === 'kind-not-proven') return hashedShare(id) < kindShare
  return isDrawn(route.reason)
}

/** What people wrote: by it questions are told apart. */
export const askedIn = ({ query, turns }: Pick<Match, 'query' | 'turns'>): string =>
  [query, ...turns.map(({ content }) => content)].join('\n')

interface Ordered {
  id: string
  match: Match
  outcome: Outcome
  bought?: Pick<Bought, 'conversation'>
}

/** Adds the key of its conversation to each exchange. @param exchanges in time order */
export const withConversations = <T extends Ordered>(
  exchanges: readonly T[]
): (T & { conversation: string })[] => {
  const keys = conversationKeys(
    exchanges.map(({ id, match, outcome }) => ({
      id,
      opening: match.query,
      turns: match.turns,
      answer: textOf(outcome),
    }))
  )
  return zip(exchanges, keys).map(([exchange, key]) => ({
    ...exchange,
    conversation: exchange.bought?.conversation ?? key,
  }))
}
