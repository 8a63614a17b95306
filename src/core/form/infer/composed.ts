/**
 * Finds values that other values stand in, such as a full name beside a first and a last name: their spans overlap,
 * so the longer value is written from the shorter ones. What is between these must be constant or copied itself.
 */
import type { CopiedNode, FormNode, TextNode } from '../form.ts'
import { nodesOf } from '../form.ts'
import { itemAt } from '../../lists.ts'
import { wordsOf } from '../words.ts'
import { choiceOf } from './closed-set.ts'
import { findCopied } from './copied.ts'
import type { Entry, LoggedNode, RowText, Search } from './search.ts'

const MIN_ROWS = 8
const MIN_SHARE = 0.98

/** Where a value stands in another one as whole words; -1 if it does not. */
const placeIn = (whole: string, part: string): number => {
  if (part === '' || part === whole) return -1
  const words = wordsOf(whole)
  const first = words.find(({ start }) => whole.startsWith(part, start))
  if (first === undefined) return -1
  return words.some(({ end }) => end === first.start + part.length) ? first.start : -1
}

const isPlain = (node: CopiedNode): boolean =>
  node.as === 'string' && node.chain.length === 1 && node.chain[0] === 'identity'

/** Whether the part stands in the whole value, and nowhere else in the message, in nearly all rows. */
const isPart = (part: LoggedNode, whole: LoggedNode, search: Search): boolean => {
  const wholes = search.comparedTexts(whole)
  const insideOf = (some: readonly RowText[]): RowText[] =>
    some.flatMap(({ row, text: all }) => {
      const text = part.values.get(row)
      return text !== undefined && placeIn(all, text) >= 0 ? [{ row, text }] : []
    })
  // most pairs of values have nothing in common
  if (wholes.length < MIN_ROWS || insideOf(wholes.slice(0, MIN_ROWS)).length < MIN_ROWS - 1)
    return false
  const inside = insideOf(wholes)
  if (inside.length < MIN_SHARE * wholes.length) return false
  const single = inside.filter(
    ({ row, text }) => search.spansOf(row).find(part.node.chain, text).length === 1
  )
  return single.length * 2 > inside.length
}

/** The parts in the order of the whole value that most rows have. */
const inOrder = (whole: LoggedNode, parts: readonly LoggedNode[], search: Search): LoggedNode[] => {
  const texts = search.comparedTexts(whole)
  const sumOfPlaces = ({ values }: LoggedNode): number =>
    texts.reduce((sum, { row, text }) => sum + placeIn(text, values.get(row) ?? ''), 0)
  return parts
    .map((part) => ({ part, place: sumOfPlaces(part) }))
    .sort((one, other) => one.place - other.place)
    .map(({ part }) => part)
}

/** Of each row, the texts before, between and behind the parts; null in rows that do not have these in order. */
const textsBetween = (
  whole: LoggedNode,
  parts: readonly LoggedNode[]
): { row: number; texts: string[] }[] =>
  [...whole.values].flatMap(([row, value]) => {
    const texts: string[] = []
    let at = 0
    for (const part of parts) {
      const text = part.values.get(row)
      const place = text === undefined ? -1 : placeIn(value.slice(at), text)
      if (place < 0 || text === undefined) return []
      texts.push(value.slice(at, at + place))
      at += place + text.length
    }
    return [{ row, texts: [...texts, value.slice(at)] }]
  })

/** Constant text, or blanks around a copied text. */
const partsBetween = (texts: readonly RowText[], search: Search): TextNode['parts'] | null => {
  const [first] = texts
  if (first === undefined) return null
  const same = texts.filter(({ text }) => text === first.text)
  if (same.length >= MIN_SHARE * texts.length) return first.text === '' ? [] : [first.text]
  const before = first.text.replace(/\w.*/s, '')
  const behind = first.text.replace(/.*\w/s, '')
  const entries = texts.flatMap(({ row, text }): Entry[] => {
    const inner = text.slice(before.length, text.length - behind.length)
    const isFramed = text === before + inner + behind && inner !== ''
    return isFramed ? [{ row, value: { kind: 'string', text: inner } }] : []
  })
  const found = entries.length < MIN_SHARE * texts.length ? null : findCopied(entries, search)
  if (found === null || found.fixed.size > 0) return null
  search.values.set(
    found.node,
    new Map(entries.map(({ row, value }) => [row, value?.kind === 'string' ? value.text : '']))
  )
  return [before, found.node, behind].filter((part) => part !== '')
}

/** A node like another one, for another place of the answer. */
const copyOf = (
  { node, values }: LoggedNode,
  rows: ReadonlyMap<number, string>,
  search: Search
): CopiedNode => {
  const copy: CopiedNode = { ...node, otherwise: null }
  search.values.set(copy, new Map([...rows.keys()].map((row) => [row, values.get(row) ?? ''])))
  return copy
}

const composedNode = (
  whole: LoggedNode,
  parts: readonly LoggedNode[],
  search: Search
): FormNode | null => {
  const ordered = inOrder(whole, parts, search)
  const between = textsBetween(whole, ordered)
  if (between.length < MIN_SHARE * whole.values.size) return null
  const pieces: TextNode['parts'] = []
  for (let place = 0; place <= ordered.length; place++) {
    const texts = between.map(({ row, texts: all }) => ({ row, text: itemAt(all, place) }))
    const own = partsBetween(texts, search)
    if (own === null) return null
    pieces.push(...own)
    const part = ordered[place]
    if (part) pieces.push(copyOf(part, whole.values, search))
  }
  // of two holes side by side, the text does not tell where one ends
  if (pieces.some((piece, at) => typeof piece === 'object' && typeof pieces[at + 1] === 'object'))
    return null
  const text: TextNode = { kind: 'text', parts: pieces }
  const { otherwise } = whole.node
  return otherwise === null ? text : choiceOf([otherwise, text])
}

const replaced = (node: FormNode, by: ReadonlyMap<FormNode, FormNode>): FormNode => {
  const own = by.get(node)
  if (own !== undefined) return own
  if (node.kind === 'choice')
    return { ...node, branches: node.branches.map((branch) => replaced(branch, by)) }
  if (node.kind === 'object')
    return {
      ...node,
      members: node.members.map((member) => ({ ...member, node: replaced(member.node, by) })),
    }
  if (node.kind !== 'text') return node
  const parts = node.parts.map((part) => (typeof part === 'string' ? part : replaced(part, by)))
  return { ...node, parts }
}

/** The tree with values that contain other ones written from these. */
export const composed = (root: FormNode, search: Search): FormNode => {
  const plain = nodesOf(root).flatMap(
    (node) => (node.kind === 'copied' && isPlain(node) && search.logged(node)) || []
  )
  const by = new Map<FormNode, FormNode>()
  for (const whole of plain) {
    // a part that is itself composed would have to be replaced first
    const parts = plain.filter(
      (part) => part !== whole && !by.has(part.node) && isPart(part, whole, search)
    )
    const node = parts.length > 0 ? composedNode(whole, parts, search) : null
    if (node !== null) by.set(whole.node, node)
  }
  return by.size > 0 ? replaced(root, by) : root
}
