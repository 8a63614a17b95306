/** Values of a closed set, such as labels. */
import { countsOf } from '../../counts.ts'
import { keyOf } from '../json/value.ts'
import type { AbsentNode, ChoiceNode, ConstantNode, FormNode } from '../form.ts'
import type { Chain } from '../normalize/chains.ts'
import type { Entry } from './search.ts'

/** As many labels as a label head may have; 512 classes make a head of 0.8 MB at 384 dimensions. */
const MAX_VALUES = 512
/** Fewest rows for each value, on average. */
const MIN_ROWS_A_VALUE = 4
/** Good-Turing: highest chance that the next value was never seen. */
const MAX_UNSEEN_SHARE = 0.05

/** Labels are few and frequent words; more values, or values with digits, are rather names of things. */
const MAX_LABELS = 12
const MIN_ROWS_A_LABEL = 8

/** The key of a value that is left out; no JSON is empty. */
export const ABSENT = ''

export const keyOfEntry = ({ value }: Entry): string =>
  value === undefined ? ABSENT : keyOf(value)

/** Keys with the number of their entries, most frequent first. */
export const countKeys = (entries: readonly Entry[]): [key: string, count: number][] =>
  [...countsOf(entries.map(keyOfEntry))].sort(
    (one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1)
  )

/** Whether the values are a closed set that recurs. */
export const isClosed = (counts: readonly [string, number][]): boolean => {
  const rows = counts.reduce((sum, [, count]) => sum + count, 0)
  const once = counts.filter(([, count]) => count === 1).length
  return (
    counts.length <= MAX_VALUES &&
    counts.length * MIN_ROWS_A_VALUE <= rows &&
    once <= MAX_UNSEEN_SHARE * rows
  )
}

/**
 * Whether the values look like labels, which stay labels even where their words happen to be in the text. Names of
 * things are copied as they are written: with digits or capital letters.
 * @param copied the rule by which they could be copied
 */
export const areLabels = (
  counts: readonly [string, number][],
  { chain }: { chain: Chain }
): boolean => {
  const values = counts.filter(([key]) => key !== ABSENT)
  const rows = values.reduce((sum, [, count]) => sum + count, 0)
  const capitals = values.filter(([key]) => /\p{Lu}/u.test(key)).length
  return (
    values.length <= MAX_LABELS &&
    values.length * MIN_ROWS_A_LABEL <= rows &&
    values.every(([key]) => !/\d/.test(key)) &&
    !(chain[0] === 'identity' && capitals * 2 > values.length)
  )
}

export const constantNode = (key: string): ConstantNode | AbsentNode =>
  key === ABSENT ? { kind: 'absent' } : { kind: 'constant', json: key }

/** The node of the only value; null where there are several. */
export const onlyNode = (counts: readonly [string, number][]): ConstantNode | AbsentNode | null => {
  const [only, second] = counts
  return only !== undefined && second === undefined ? constantNode(only[0]) : null
}

/** A choice of the branches; the only one needs no choice. */
export const choiceOf = <Node extends FormNode>(branches: Node[]): Node | ChoiceNode => {
  const [only, second] = branches
  if (only !== undefined && second === undefined) return only
  return { kind: 'choice', choice: -1, branches, isConditional: false }
}

/** The most frequent values that recur, as far as a choice may have classes; the only one is a constant. */
export const closedNode = (
  counts: readonly [string, number][],
  least = 1
): ChoiceNode | ConstantNode | AbsentNode => {
  const kept = counts.filter(([, count]) => count >= least).slice(0, MAX_VALUES)
  const branches = (kept.length > 0 ? kept : counts.slice(0, 1)).map(([key]) => constantNode(key))
  return choiceOf(branches)
}
