/** Finds the node of strings, numbers, booleans and nulls: constant, chosen, copied, or a text with holes. */
import type { ChoiceNode, CopiedNode, FormNode } from '../form.ts'
import { isNumber } from '../json/value.ts'
import {
  ABSENT,
  areLabels,
  closedNode,
  constantNode,
  countKeys,
  isClosed,
  keyOfEntry,
  onlyNode,
} from './closed-set.ts'
import { findCopied, type FoundCopied } from './copied.ts'
import { inferText } from './infer-text.ts'
import type { Entry, Search } from './search.ts'
import { textOfScalar } from '../copied-text.ts'

/** Values beside copied ones that are rarer than this are left unexplained: a class of theirs would learn nothing. */
const MIN_BESIDE_SHARE = 0.005
/** Fewest rows of a value of a set that is not closed. */
const MIN_RECURRING = 3
/** Skeletons within holes of skeletons. */
const MAX_TEXT_DEPTH = 2

const isText = ({ value }: Entry): boolean =>
  value?.kind === 'string' || (value?.kind === 'literal' && isNumber(value.text))

/** Values beside the ones that a node explains, as branches of a choice. */
export const withOthers = (node: FormNode, others: readonly Entry[], entries: number): FormNode => {
  const kept = countKeys(others).filter(([, count]) => count >= MIN_BESIDE_SHARE * entries)
  if (kept.length === 0) return node
  const own = node.kind === 'choice' ? node.branches : [node]
  const branches = [...kept.map(([key]) => constantNode(key)), ...own]
  return { kind: 'choice', choice: -1, branches, isConditional: false } satisfies ChoiceNode
}

/** The copied node with what stands where nothing is copied: one such value needs no choice. */
const copiedNode = (
  { node, fixed, marks }: FoundCopied,
  entries: readonly Entry[],
  { search, isHole }: { search: Search; isHole: boolean }
): FormNode => {
  const values = new Map<number, string>()
  const others: Entry[] = []
  for (const entry of entries) {
    const text = textOfScalar(entry.value, node.as)
    if (text !== null && !fixed.has(text)) values.set(entry.row, text)
    else if (text !== null || entry.value?.kind !== 'string') others.push(entry)
  }
  search.values.set(node, values)
  if (isHole) node.marks = marks
  const kept = countKeys(others).filter(([, count]) => count >= MIN_BESIDE_SHARE * entries.length)
  if (kept.length > 1) return withOthers(node, others, entries.length)
  const single: CopiedNode = node
  if (kept[0]) single.otherwise = constantNode(kept[0][0])
  return single
}

/** The node that explains most of the entries. Several scalars of one row are not allowed. */
export const inferScalars = (entries: readonly Entry[], search: Search, depth = 0): FormNode => {
  const counts = countKeys(entries)
  const only = onlyNode(counts)
  if (only !== null) return only
  const present = counts.filter(([key]) => key !== ABSENT)
  const closed = isClosed(present)
  // null and booleans are never copied
  const texts = entries.filter(isText)
  const isCopyable = texts.length >= 2 && !(closed && present.length === 1)
  const found = isCopyable ? findCopied(texts, search) : null
  if (found !== null && !(closed && areLabels(present, found.node)))
    return copiedNode(found, entries, { search, isHole: depth > 0 })
  if (closed) return closedNode(counts)
  const strings = entries.filter(({ value }) => value?.kind === 'string')
  if (depth < MAX_TEXT_DEPTH && strings.length * 2 > texts.length) {
    const inferHole = (hole: readonly Entry[]): FormNode => inferScalars(hole, search, depth + 1)
    const node = inferText(strings, search, inferHole)
    const keys = new Set(strings.map(keyOfEntry))
    if (node !== null)
      return withOthers(
        node,
        entries.filter((entry) => !keys.has(keyOfEntry(entry))),
        entries.length
      )
  }
  return closedNode(counts, MIN_RECURRING)
}
