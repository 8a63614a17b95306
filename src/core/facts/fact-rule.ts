/** The rule that an answer states nothing of its own, as evaluation and serving apply it. */
import { indexKnown, inventedFacts, type KnownFacts, type KnownIndex } from './known.ts'

/** Of each route's known facts, for as long as these are in use. */
const indices = new WeakMap<KnownFacts, KnownIndex>()

const indexOf = (known: KnownFacts): KnownIndex => {
  const found = indices.get(known) ?? indexKnown(known)
  indices.set(known, found)
  return found
}

/**
 * @param known absent: answers may state anything
 * @param asked all that the model reads
 * @returns the fault, or null
 */
export const factFault = (
  answer: string,
  asked: () => string,
  known: KnownFacts | undefined
): 'invented-fact' | null => {
  if (known === undefined) return null
  const invented = inventedFacts({ answer, request: asked(), known: indexOf(known) })
  return invented.length === 0 ? null : 'invented-fact'
}
