/** The rule that an answer states nothing of its own, as evaluation and serving apply it. */
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
