/**
 * Whether two texts negate the same. What is negated is known by stems of words, so a fair paraphrase with other words
 * cannot be told from a reversal as long as both texts negate something: that is not reported.
 */
import type { Clause } from './atom.ts'

export interface NegationDifference {
  /** `added`: the answer negates what the logged one states; `dropped`: the other way round */
  kind: 'added' | 'dropped'
  /** stems of the clause */
  stems: readonly string[]
}

interface Polarity {
  /** stems of negated clauses, and of others */
  negated: ReadonlySet<string>
  stated: ReadonlySet<string>
  /** stems of sentences with a negation, and of others */
  nearNegation: ReadonlySet<string>
  farFromNegation: ReadonlySet<string>
  hasNegation: boolean
}

const stemsOf = (clauses: readonly Clause[], belongs: (clause: Clause) => boolean): Set<string> =>
  new Set(clauses.filter(belongs).flatMap(({ stems }) => stems))

const polarityOf = (clauses: readonly Clause[]): Polarity => {
  const negative = new Set(
    clauses.filter(({ isNegated }) => isNegated).map(({ sentence }) => sentence)
  )
  return {
    negated: stemsOf(clauses, ({ isNegated }) => isNegated),
    stated: stemsOf(clauses, ({ isNegated }) => !isNegated),
    nearNegation: stemsOf(clauses, ({ sentence }) => negative.has(sentence)),
    farFromNegation: stemsOf(clauses, ({ sentence }) => !negative.has(sentence)),
    hasNegation: negative.size > 0,
  }
}

/**
 * Negated clauses without a counterpart: the other text negates nothing, or has what is negated in sentences without a
 * negation alone.
 */
const unmatched = (clauses: readonly Clause[], other: Polarity): Clause[] =>
  clauses.filter(({ isNegated, head }) => {
    if (!isNegated) return false
    if (!other.hasNegation) return true
    return head !== undefined && other.farFromNegation.has(head) && !other.nearNegation.has(head)
  })

const only = (one: ReadonlySet<string>, other: ReadonlySet<string>): Set<string> =>
  new Set([...one].filter((stem) => !other.has(stem)))

/** Stems that one text only negates and the other only states. */
const reversed = (one: Polarity, other: Polarity): string[] => {
  const stated = only(other.stated, other.negated)
  return [...only(one.negated, one.stated)].filter((stem) => stated.has(stem))
}

/** Linear in the clauses. */
export const negationDifferences = (
  answer: readonly Clause[],
  logged: readonly Clause[]
): NegationDifference[] => {
  const [ours, theirs] = [polarityOf(answer), polarityOf(logged)]
  const added = unmatched(answer, theirs).map(({ stems }): NegationDifference => ({
    kind: 'added',
    stems,
  }))
  const dropped = unmatched(logged, ours).map(({ stems }): NegationDifference => ({
    kind: 'dropped',
    stems,
  }))
  if (added.length + dropped.length > 0) return [...added, ...dropped]
  // "A is possible, B is not" and "A is not possible, B is"
  const [nowNegated, nowStated] = [reversed(ours, theirs), reversed(theirs, ours)]
  return nowNegated.length > 0 && nowStated.length > 0
    ? [
        { kind: 'added', stems: nowNegated },
        { kind: 'dropped', stems: nowStated },
      ]
    : []
}
