/** Finds the node of lists: copied values or objects in the order of the text, a set of labels, or whole lists. */
import type {
  AbsentNode,
  ConstantNode,
  CopiedNode,
  FormNode,
  ObjectNode,
  SetNode,
} from '../form.ts'
import { keyOf, type JsonValue } from '../json/value.ts'
import { ABSENT, closedNode, constantNode, countKeys, isClosed, onlyNode } from './closed-set.ts'
import { findCopied } from './copied.ts'
import { inferObject, type ObjectEntry } from './infer-object.ts'
import { areAscending } from './item-order.ts'
import type { Entry, Search } from './search.ts'

export interface ListEntry {
  row: number
  value: Extract<JsonValue, { kind: 'list' }>
}

const MAX_SET = 32
/** Share of lists that must have the labels in the usual order. */
const MIN_ORDERED_SHARE = 0.98

/** The labels in their order where the lists are subsets of a few labels in one order. */
const labelsOf = (lists: readonly ListEntry[]): string[] | null => {
  const counts = countKeys(
    lists.flatMap(({ row, value }) => value.items.map((item): Entry => ({ row, value: item })))
  )
  if (counts.length > MAX_SET || !isClosed(counts)) return null
  // the sum of places of a label orders labels as the lists do where the lists agree; the count below tells
  const keys = lists.map(({ value }) => value.items.map(keyOf))
  const isBefore = (one: string, other: string): number => {
    let balance = 0
    for (const list of keys) {
      const [at, otherAt] = [list.indexOf(one), list.indexOf(other)]
      if (at >= 0 && otherAt >= 0) balance += at < otherAt ? -1 : 1
    }
    return balance
  }
  const labels: string[] = []
  for (const [label] of counts) {
    const place = labels.findIndex((other) => isBefore(label, other) < 0)
    labels.splice(place < 0 ? labels.length : place, 0, label)
  }
  const ordered = keys.filter((list) => areAscending(list.map((key) => labels.indexOf(key))))
  return ordered.length >= MIN_ORDERED_SHARE * lists.length ? labels : null
}

/** The node of a member of a list's objects: nothing but copied and constant values can be told from tags. */
const inferItemMember = (
  entries: readonly Entry[],
  search: Search
): CopiedNode | ConstantNode | AbsentNode | null => {
  const counts = countKeys(entries)
  const only = onlyNode(counts)
  if (only !== null) return only
  const texts = entries.filter(({ value }) => value !== undefined && value.kind !== 'object')
  const found = texts.length >= 2 ? findCopied(texts, search) : null
  if (found === null) return null
  const others = [...found.fixed].map((text) =>
    found.node.as === 'string' ? JSON.stringify(text) : text
  )
  for (const [key] of counts) if (key === ABSENT || key === 'null') others.push(key)
  if (others[0] !== undefined) found.node.otherwise = constantNode(others[0])
  return found.node
}

const objectItem = (items: readonly ObjectEntry[], search: Search): ObjectNode | null => {
  let isComplete = true
  const node = inferObject(items, (entries) => {
    const member = isComplete ? inferItemMember(entries, search) : null
    if (member === null) isComplete = false
    return member ?? { kind: 'absent' }
  })
  const isTagged = node.members.some((member) => member.node.kind === 'copied')
  return isComplete && isTagged ? node : null
}

/** The node of a list's items where they are copied. */
const inferItem = (
  items: readonly { row: number; value: JsonValue }[],
  search: Search
): CopiedNode | ObjectNode | null => {
  const objects = items.filter((item): item is ObjectEntry => item.value.kind === 'object')
  if (objects.length * 2 > items.length) return objectItem(objects, search)
  const found = items.length >= 2 ? findCopied(items, search) : null
  return found?.node ?? null
}

export const inferList = (lists: readonly ListEntry[], search: Search): FormNode => {
  const counts = countKeys(lists)
  const only = onlyNode(counts)
  if (only !== null) return only
  const items = lists.flatMap(({ row, value }) => value.items.map((item) => ({ row, value: item })))
  const labels = labelsOf(lists)
  const item = inferItem(items, search)
  if (item !== null && (labels === null || item.kind === 'object' || labels.length > 12))
    return { kind: 'list', item }
  if (labels !== null)
    return { kind: 'set', labels, choices: [], isConditional: false } satisfies SetNode
  return item === null ? closedNode(counts, 3) : { kind: 'list', item }
}
