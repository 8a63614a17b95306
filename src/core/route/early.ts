/**
 * Written answers that are streamed as soon as their first tokens are sure. What is found in the rest cannot be taken
 * back, so a proof counts an answer with such a fault as one that was given and is wrong. Knows nothing of connections.
 */
import { CALL_MARK, isCallText } from '../answer/calls.ts'
import { DEFER_ANSWER } from '../answer/outcome.ts'
import { FIRST_TOKENS, type ConfidenceStatistic } from './confidence.ts'
import { studentText } from '../template/prompt.ts'
import { anchorText, type Match } from '../template/template.ts'
import type { AnswerRules, KnownFacts } from '../answer/answer-rules.ts'
import { splitAnswer, supportOf, writtenText } from '../answer/written-fields.ts'
import type { Facts } from '../facts/atom.ts'
import { factsOf, type Support } from '../facts/facts.ts'
import { indexKnown, inventedFacts } from '../facts/known.ts'

/** Of each route's known facts, for as long as these are in use. */
const indices = new WeakMap<KnownFacts, Support>()

const indexOf = (known: KnownFacts, { template }: Match): Support => {
  const found = indices.get(known) ?? indexKnown(known, anchorText(template))
  indices.set(known, found)
  return found
}

/** @returns the fault of an answer to one request, or of its beginning, or null */
export type FactRule = (answer: string) => 'invented-fact' | null

/**
 * Of JSON the written texts alone are read: its other fields are compared as they are, and what they state is known.
 * @param rules whose known facts answers may state; without them they may state anything
 */
export const factRule = (match: Match, rules: AnswerRules): FactRule => {
  const { facts: known } = rules
  if (known === undefined) return () => null
  const request = studentText(match)
  // read once for all beginnings of an answer: a long request takes a tenth of a second
  let asked: Facts | undefined
  return (answer) => {
    const split = splitAnswer(rules, answer)
    const support = supportOf(request, split)
    const invented = inventedFacts(writtenText(split), {
      request: support === request ? (asked ??= factsOf(request)) : factsOf(support),
      known: indexOf(known, match),
    })
    return invented.length === 0 ? null : 'invented-fact'
  }
}

/** The only one that is known when the first token is sent. */
export const EARLY_STATISTIC: ConfidenceStatistic = 'first'

/**
 * Reasons for which no token is ever sent: the lora is not asked, its answer has no tokens, or its first ones tell.
 * Every other reason counts as found late, also one that is not known here.
 */
const FOUND_BEFORE: ReadonlySet<string> = new Set([
  'kind-not-proven',
  'engine-refused',
  'no-logprobs',
  'deferred',
  'empty',
  'withheld',
])

/** An answer as a gate judges it, or an audit. */
interface Judged {
  agrees: boolean
  agreesToday?: boolean | null
  deferred: string | null
}

/** @param reason why a route that holds answers back would not give this one */
const isFoundLate = (reason: string | null): reason is string =>
  reason !== null && !FOUND_BEFORE.has(reason)

/** An answer, with what is found in it when the client may have its beginning; absent: nothing. */
export type Streamed<Row> = Row & { foundLate?: string }

/** An answer as a route gives it that streams early: with a fault that is found late it disagrees. */
export const asStreamed = <Row extends Judged>(row: Row): Streamed<Row> =>
  isFoundLate(row.deferred)
    ? {
        ...row,
        agrees: false,
        ...(row.agreesToday != null && { agreesToday: false }),
        deferred: null,
        foundLate: row.deferred,
      }
    : row

/** Whether a text that begins so may be a call, hand the request to the upstream, or have no character. */
const mayBeNoText = (beginning: string): boolean =>
  [DEFER_ANSWER, CALL_MARK].some((mark) => mark.startsWith(beginning.trim())) ||
  isCallText(beginning)

/**
 * Whether an answer may be sent before its end is known: no call, none that defers, and none that states a fact of its
 * own so early.
 * @param text of its first tokens at least @param faultOf of its request and route
 */
export const mayBegin = (text: string, faultOf: FactRule): boolean =>
  !mayBeNoText(text) && faultOf(text) === null

/** Answers of one route that were streamed early. */
export interface EarlyAnswers {
  answers: number
  /** those in which a fault was found afterwards, and those that broke off; without clients that left */
  faults: number
}

/** In two sentences; null before the first one. */
export const earlyText = ({ answers, faults }: EarlyAnswers): string | null =>
  answers === 0
    ? null
    : `Answers that were streamed before their end was known: ${answers}. With a fault that was found afterwards: ${faults}.`

/** The promise of such a route, in a sentence. */
export const EARLY_PROMISE =
  `Answers to requests that stream are sent from token ${FIRST_TOKENS} on, before the rest is known. An answer that ` +
  'breaks a rule or has no end after that counts as one that disagrees.'
