/** Finds places of the answer that are copied from one span: a number twice, a date in two notations. */
import type { CopiedNode, FormNode } from '../form.ts'
import { nodesOf } from '../form.ts'
import type { Span } from '../spans/row-words.ts'
import { sampleOf, type Search } from './search.ts'

/** Rows that two places are compared on. */
const COMPARED = 60
const MIN_ROWS = 8
const MIN_SAME_SHARE = 0.98
/** Share of rows in which two places must have no spans apart, so that one span is the better reading. */
const MIN_FORCED_SHARE = 0.1

const isSame = (one: Span, other: Span): boolean => one.from === other.from && one.to === other.to
const isApart = (one: Span, other: Span): boolean => one.to <= other.from || other.to <= one.from

/** Whether one span gives the values of both, and two spans do not. */
const isShared = (one: CopiedNode, other: CopiedNode, search: Search): boolean => {
  const [values, others] = [search.values.get(one)!, search.values.get(other)!]
  const rare = values.size < others.size ? one : other
  const rareRows = [...search.values.get(rare)!.keys()]
  if (rareRows.length < MIN_ROWS) return false
  // where nothing is tagged, an optional value is left out: also one that the other place has
  if (values.size !== others.size && rare.otherwise !== null) return false
  if (!rareRows.every((row) => values.has(row) && others.has(row))) return false
  const rows = sampleOf(rareRows, COMPARED)
  let same = 0
  let forced = 0
  for (const [at, row] of rows.entries()) {
    if (at === MIN_ROWS && same < at - 1) return false
    const spans = search.spansOf(row)
    const found = spans.find(one.chain, values.get(row)!)
    const foundOther = spans.find(other.chain, others.get(row)!)
    if (found.some((span) => foundOther.some((second) => isSame(span, second)))) same++
    if (!found.some((span) => foundOther.some((second) => isApart(span, second)))) forced++
  }
  const isEqual = rows.every((row) => values.get(row) === others.get(row))
  return (
    same >= MIN_SAME_SHARE * rows.length && (isEqual || forced > MIN_FORCED_SHARE * rows.length)
  )
}

/** Each later node with the first one that has the same span. */
export const sharedFields = (root: FormNode, search: Search): Map<CopiedNode, CopiedNode> => {
  const shared = new Map<CopiedNode, CopiedNode>()
  const firsts: CopiedNode[] = []
  for (const node of nodesOf(root)) {
    if (node.kind !== 'copied' || !search.values.has(node)) continue
    const first = firsts.find((one) => isShared(one, node, search))
    if (first === undefined) firsts.push(node)
    else shared.set(node, first)
  }
  return shared
}
