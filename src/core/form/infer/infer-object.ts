/** Finds the members of objects and their order. */
import { countsOf } from '../../counts.ts'
import type { FormNode, ObjectNode } from '../form.ts'
import type { JsonValue } from '../json/value.ts'
import type { Entry } from './search.ts'

export interface ObjectEntry {
  row: number
  value: Extract<JsonValue, { kind: 'object' }>
}

/** A member in fewer objects is left out; their rows are not explained. */
const MIN_MEMBER_SHARE = 0.002
/** Sets of members with an order of their own. */
const MAX_ORDERS = 64
const MIN_ORDERED = 2
/** Orders that are compared pair by pair. */
const MAX_COUNTED_ORDERS = 200

interface Counted {
  names: string[]
  count: number
}

const countOrders = (lists: readonly string[][]): Counted[] => {
  const counts = new Map<string, Counted>()
  for (const names of lists) {
    const key = JSON.stringify(names)
    const known = counts.get(key)
    if (known) known.count++
    else counts.set(key, { names, count: 1 })
  }
  return [...counts.values()].sort((one, other) => other.count - one.count)
}

/** How often each name stands before each other one. */
const precedence = (orders: readonly Counted[]): Map<string, Map<string, number>> => {
  const before = new Map<string, Map<string, number>>()
  for (const { names, count } of orders.slice(0, MAX_COUNTED_ORDERS)) {
    for (const [at, name] of names.entries()) {
      const behind = before.get(name) ?? new Map<string, number>()
      before.set(name, behind)
      for (const other of names.slice(at + 1)) behind.set(other, (behind.get(other) ?? 0) + count)
    }
  }
  return before
}

/**
 * One order of all names. The next name is the one that the fewest of the others mostly stand before; of equal ones,
 * the one that was seen first.
 */
const mergedOrder = (orders: readonly Counted[]): string[] => {
  const before = precedence(orders)
  const left = new Set(
    [...orders]
      .sort((one, other) => other.names.length - one.names.length)
      .flatMap(({ names }) => names)
  )
  const countOf = (one: string, other: string): number => before.get(one)?.get(other) ?? 0
  const isBefore = (one: string, other: string): boolean =>
    countOf(one, other) > countOf(other, one)
  // counted once: names of people as members may be thousands, and all triples of them take minutes
  const ahead = new Map(
    [...left].map((name) => [name, [...left].filter((other) => isBefore(other, name)).length])
  )
  const merged: string[] = []
  while (ahead.size > 0) {
    let next = { name: '', count: Infinity }
    for (const [name, count] of ahead) if (count < next.count) next = { name, count }
    merged.push(next.name)
    ahead.delete(next.name)
    for (const [name, count] of ahead) if (isBefore(next.name, name)) ahead.set(name, count - 1)
  }
  return merged
}

/** The most used order of each set of names that the merged order does not give. */
const ownOrders = (orders: readonly Counted[], merged: readonly string[]): string[][] => {
  const seen = new Set<string>()
  const own: string[][] = []
  for (const { names, count } of orders) {
    const key = JSON.stringify([...names].sort())
    if (seen.has(key) || own.length === MAX_ORDERS) continue
    seen.add(key)
    const present = new Set(names)
    const expected = merged.filter((name) => present.has(name))
    if (count >= MIN_ORDERED && expected.some((name, at) => name !== names[at])) own.push(names)
  }
  return own
}

function* memberNames(entries: readonly ObjectEntry[]): Generator<string> {
  for (const { value } of entries) for (const [name] of value.members) yield name
}

/** @param entries objects, perhaps several of one row @param inferMember finds the node of a member's values */
export const inferObject = (
  entries: readonly ObjectEntry[],
  inferMember: (entries: readonly Entry[], name: string) => FormNode
): ObjectNode => {
  const counts = countsOf(memberNames(entries))
  const least = MIN_MEMBER_SHARE * entries.length
  const rare = new Set([...counts].flatMap(([name, count]) => (count < least ? [name] : [])))
  const kept = entries.filter(({ value }) => !value.members.some(([name]) => rare.has(name)))
  const orders = countOrders(kept.map(({ value }) => value.members.map(([name]) => name)))
  const names = mergedOrder(orders)
  const maps = kept.map(({ row, value }) => ({ row, members: new Map(value.members) }))
  const members = names.map((name) => {
    const own = maps.map(({ row, members: all }): Entry => ({ row, value: all.get(name) }))
    return { name, node: inferMember(own, name) }
  })
  return { kind: 'object', members, orders: ownOrders(orders, names) }
}
