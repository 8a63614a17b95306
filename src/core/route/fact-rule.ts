/** The rule that an answer states nothing of its own, as evaluation and serving apply it. */
import { studentText } from '../template/prompt.ts'
import { anchorText, type Match } from '../template/template.ts'
import type { KnownFacts } from '../answer/known-facts.ts'
import { indexKnown, inventedFacts, type KnownIndex } from '../facts/known.ts'

/** Of each route's known facts, for as long as these are in use. */
const indices = new WeakMap<KnownFacts, KnownIndex>()

const indexOf = (known: KnownFacts, { template }: Match): KnownIndex => {
  const found = indices.get(known) ?? indexKnown(known, anchorText(template))
  indices.set(known, found)
  return found
}

/**
 * @param known that answers of the template may state; absent: they may state anything
 * @returns the fault, or null
 */
export const factFault = (
  answer: string,
  match: Match,
  known: KnownFacts | undefined
): 'invented-fact' | null => {
  if (known === undefined) return null
  const invented = inventedFacts({
    answer,
    request: studentText(match),
    known: indexOf(known, match),
  })
  return invented.length === 0 ? null : 'invented-fact'
}
