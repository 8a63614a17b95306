/** Whether a lora's answer states only what its request or its route does. */
import type { AnswerRules, KnownFacts } from '../answer/answer-rules.ts'
import { splitAnswer, supportOf, writtenText } from '../answer/written-fields.ts'
import { studentText } from '../template/prompt.ts'
import { anchorText, type Match } from '../template/template.ts'
import { factsOf, type Support } from './facts.ts'
import { indexKnown, inventedFacts } from './known.ts'

/** Of each route's known facts, for as long as these are in use. */
const indices = new WeakMap<KnownFacts, Support>()

const indexOf = (known: KnownFacts, { template }: Match): Support => {
  const found = indices.get(known) ?? indexKnown(known, anchorText(template))
  indices.set(known, found)
  return found
}

/**
 * Of JSON the written texts alone are read: its other fields are compared as they are, and what they state is known.
 * @param rules whose known facts answers may state; without them they may state anything
 */
export const factFault = (
  match: Match,
  rules: AnswerRules,
  answer: string
): 'invented-fact' | null => {
  const { facts: known } = rules
  if (known === undefined) return null
  const split = splitAnswer(rules, answer)
  const invented = inventedFacts(writtenText(split), {
    request: factsOf(supportOf(studentText(match), split)),
    known: indexOf(known, match),
  })
  return invented.length === 0 ? null : 'invented-fact'
}
