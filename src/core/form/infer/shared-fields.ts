/**
 * Finds places of the answer that are copied by one field: from one span, such as a number twice or a date in two
 * notations; or in branches of a choice, such as the name in each of several skeletons.
 */
import type { CopiedNode, FieldContext, FormNode } from '../form.ts'
import { childrenOf } from '../form.ts'
import type { Span } from '../spans/row-words.ts'
import type { LoggedNode, Search } from './search.ts'

const MIN_ROWS = 8
const MIN_SAME_SHARE = 0.98
/** Share of rows in which two places must have no spans apart, so that one span is the better reading. */
const MIN_FORCED_SHARE = 0.1
/** Cosine of the counts of the words around two fields from which on they are one field in two branches. */
const MIN_ALIKE = 0.8

/** A copied node, and the branch of each choice above it. */
interface Placed extends LoggedNode {
  branches: ReadonlyMap<FormNode, number>
}

const isSame = (one: Span, other: Span): boolean => one.from === other.from && one.to === other.to
const isApart = (one: Span, other: Span): boolean => one.to <= other.from || other.to <= one.from

interface SharedRow {
  row: number
  text: string
  otherText: string
}

/** Rows of both places; null where no span can be shared. @param rare in no more rows than the other one */
const sharedRows = (rare: LoggedNode, other: LoggedNode, search: Search): SharedRow[] | null => {
  // where nothing is tagged, an optional value is left out: also one that the other place has
  if (rare.values.size < other.values.size && rare.node.otherwise !== null) return null
  const texts = search.comparedTexts(rare)
  if (texts.length < MIN_ROWS) return null
  const shared: SharedRow[] = []
  for (const { row, text } of texts) {
    const otherText = other.values.get(row)
    if (otherText === undefined) return null
    shared.push({ row, text, otherText })
  }
  return shared
}

/** Whether one span gives the values of both, and two spans do not. */
const haveOneSpan = (one: LoggedNode, other: LoggedNode, search: Search): boolean => {
  const [rare, usual] = one.values.size < other.values.size ? [one, other] : [other, one]
  const rows = sharedRows(rare, usual, search)
  if (rows === null) return false
  let same = 0
  let forced = 0
  for (const [at, { row, text, otherText }] of rows.entries()) {
    if (at === MIN_ROWS && same < at - 1) return false
    const spans = search.spansOf(row)
    const found = spans.find(rare.node.chain, text)
    const foundOther = spans.find(usual.node.chain, otherText)
    if (found.some((span) => foundOther.some((second) => isSame(span, second)))) same++
    if (!found.some((span) => foundOther.some((second) => isApart(span, second)))) forced++
  }
  if (same < MIN_SAME_SHARE * rows.length) return false
  // of all rows: a single one shows that "from" and "to" are two values
  const isEqual = [...one.values].every(
    ([row, value]) => (other.values.get(row) ?? value) === value
  )
  return isEqual || forced > MIN_FORCED_SHARE * rows.length
}

/** Whether no answer has both. */
const areExclusive = (one: Placed, other: Placed): boolean =>
  [...one.branches].some(([choice, branch]) => {
    const second = other.branches.get(choice)
    return second !== undefined && second !== branch
  })

/** Counts of each word at each place. */
const countsOf = ({ words }: FieldContext): Map<string, number> =>
  new Map(
    Object.entries(words).flatMap(([place, counts]) =>
      Object.entries(counts).map(([word, count]): [string, number] => [`${place} ${word}`, count])
    )
  )

const lengthOf = (counts: Map<string, number>): number =>
  Math.sqrt([...counts.values()].reduce((sum, count) => sum + count * count, 0))

const areAlike = (one: CopiedNode, other: CopiedNode): boolean => {
  if (one.chain.join() !== other.chain.join()) return false
  const [counts, others] = [countsOf(one.context), countsOf(other.context)]
  let product = 0
  for (const [word, count] of counts) product += count * (others.get(word) ?? 0)
  return product > MIN_ALIKE * lengthOf(counts) * lengthOf(others)
}

const placedNodes = (
  root: FormNode,
  search: Search,
  branches: Placed['branches'] = new Map()
): Placed[] => {
  if (root.kind === 'copied') {
    const logged = search.logged(root)
    return logged ? [{ ...logged, branches }] : []
  }
  // fields of a list have any number of spans
  if (root.kind === 'list') return []
  return childrenOf(root).flatMap((child, branch) => {
    const below = root.kind === 'choice' ? new Map([...branches, [root, branch]]) : branches
    return placedNodes(child, search, below)
  })
}

/** Whether a place may have the field of others. */
const isOf = (field: readonly Placed[], place: Placed, search: Search): boolean => {
  let isLike = false
  for (const other of field) {
    if (areExclusive(other, place)) isLike ||= areAlike(other.node, place.node)
    else if (haveOneSpan(other, place, search)) isLike = true
    else return false
  }
  return isLike
}

/** Each later node with the first one that has the same field. */
export const sharedFields = (root: FormNode, search: Search): Map<CopiedNode, CopiedNode> => {
  const shared = new Map<CopiedNode, CopiedNode>()
  const fields: [Placed, ...Placed[]][] = []
  for (const place of placedNodes(root, search)) {
    const field = fields.find((one) => isOf(one, place, search))
    if (field === undefined) fields.push([place])
    else {
      shared.set(place.node, field[0].node)
      field.push(place)
    }
  }
  return shared
}
