/**
 * A graded similarity of two answers, for a person to look at. It decides nothing: `agreement.ts` says when
 * two answers agree.
 */
import { countsOf, overlapOf } from '../counts.ts'
import { canonicalJson } from '../json.ts'
import { agree, comparedJson, type Comparison } from './agreement.ts'
import { MAX_PATH_CHARS } from './field-rules.ts'

const MAX_ORDER = 6
/** Recall counts twice as much as precision. */
const BETA = 2

const charactersOf = (text: string): string[] => [...text.replace(/\s+/g, '')]

const countNgrams = (text: string[], order: number): Map<string, number> => {
  const counts = new Map<string, number>()
  for (let i = 0; i + order <= text.length; i++) {
    const gram = text.slice(i, i + order).join('')
    counts.set(gram, (counts.get(gram) ?? 0) + 1)
  }
  return counts
}

const sumOf = (counts: Map<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0)

/**
 * chrF2 of Popović 2015 (W15-3049): precision and recall of character n-grams of orders 1 to 6
 * without blanks, averaged over the orders that both texts have, combined with beta 2.
 * @returns 0 to 1; 0 when either text is empty
 */
export const chrF = (hypothesis: string, reference: string): number => {
  const [a, b] = [charactersOf(hypothesis), charactersOf(reference)]
  let [precision, recall, orders] = [0, 0, 0]
  for (let order = 1; order <= MAX_ORDER; order++) {
    const [first, second] = [countNgrams(a, order), countNgrams(b, order)]
    const [sizeA, sizeB] = [sumOf(first), sumOf(second)]
    if (sizeA === 0 || sizeB === 0) break
    const shared = overlapOf(first, second)
    precision += shared / sizeA
    recall += shared / sizeB
    orders++
  }
  if (orders === 0 || precision + recall === 0) return 0
  const [p, r] = [precision / orders, recall / orders]
  return ((1 + BETA ** 2) * p * r) / (BETA ** 2 * p + r)
}

/**
 * `path=value` of every leaf. Places in an array do not count; an empty container is a leaf, and so is what nests
 * deeper than a path is long: all paths of 20,000 levels took four seconds.
 */
const leaves = (root: unknown): string[] => {
  const found: string[] = []
  // not recursive: an answer may be nested deeper than the stack
  const open: [path: string, value: unknown][] = [['', root]]
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    const [path, value] = place
    const isOpened = typeof value === 'object' && value !== null && path.length <= MAX_PATH_CHARS
    const inner = isOpened ? Object.entries(value) : []
    if (inner.length === 0) found.push(`${path}=${canonicalJson(value)}`)
    for (const [name, field] of inner)
      open.push([`${path}/${Array.isArray(value) ? '[]' : name}`, field])
  }
  return found
}

/** F1 of the leaves of two JSON values as multisets, 0 to 1. */
export const fieldF1 = (a: unknown, b: unknown): number => {
  const [first, second] = [leaves(a), leaves(b)]
  const shared = overlapOf(countsOf(first), countsOf(second))
  return (2 * shared) / (first.length + second.length)
}

/** Of answers that do not agree. */
const MOST = 0.999

/**
 * 1 exactly where two answers agree; else below 1: F1 of the fields of JSON, 0 for labels, code and calls, and
 * chrF for other texts.
 */
export const similarity = (comparison: Comparison, adapted: string, logged: string): number => {
  if (agree(comparison, adapted, logged)) return 1
  switch (comparison.responseType) {
    case 'json': {
      const { fields = [] } = comparison
      const [a, b] = [adapted, logged].map((text) => comparedJson(fields, text))
      return a === undefined || b === undefined ? 0 : Math.min(fieldF1(a, b), MOST)
    }
    case 'short-text':
    case 'free-text':
      return Math.min(chrF(adapted, logged), MOST)
    default:
      return 0
  }
}
