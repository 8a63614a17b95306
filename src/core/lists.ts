/** Lists whose items are there by their type, or are asserted to be. */

export type NonEmpty<Item> = readonly [Item, ...Item[]]

export const isNonEmpty = <Item>(items: readonly Item[]): items is NonEmpty<Item> =>
  items.length > 0

export const lastOf = <Item>(items: NonEmpty<Item>): Item => items.at(-1) as Item

/** @throws RangeError for an empty list: a defect, where the caller knows that it has items */
export const nonEmpty = <Item>(items: readonly Item[]): NonEmpty<Item> => {
  if (!isNonEmpty(items)) throw new RangeError('the list has no items')
  return items
}

/**
 * The item of an index that is one of the list by what the caller knows.
 * @throws RangeError where it is none: a defect, and not a state to go on from
 */
export const itemAt = <Item extends {}>(items: ArrayLike<Item>, index: number): Item => {
  const item = items[index]
  if (item === undefined) throw new RangeError(`no item ${index} in a list of ${items.length}`)
  return item
}

/**
 * The value of a key that has one by what the caller knows.
 * @throws RangeError where it has none: a defect
 */
export const valueIn = <Key, Value extends {}>(
  map: { get(key: Key): Value | undefined },
  key: Key
): Value => {
  const value = map.get(key)
  if (value === undefined) throw new RangeError(`no value of ${String(key)}`)
  return value
}

/**
 * Hands out the items, one at each call.
 * @returns throws a RangeError where none is left: a defect
 */
export const inTurn = <Item extends {}>(items: readonly Item[]): (() => Item) => {
  let next = 0
  return () => itemAt(items, next++)
}

/**
 * Items of the same places, as pairs.
 * @throws RangeError for lists of different lengths: a defect
 */
export const zip = <One, Other>(ones: readonly One[], others: readonly Other[]): [One, Other][] => {
  if (ones.length !== others.length)
    throw new RangeError(`${ones.length} items beside ${others.length}`)
  return ones.map((one, place) => [one, others[place] as Other])
}

/** The items without those that a condition left out: `condition && item`. */
export const compact = <Item>(items: readonly (Item | false | null | undefined)[]): Item[] =>
  items.filter((item): item is Item => item !== false && item !== null && item !== undefined)

export interface Largest {
  place: number
  score: number
}

/**
 * The largest of some scores, the first among equals.
 * @param count of the scores that are looked at, from the first
 */
export const largestOf = (scores: Float32Array | Float64Array, count = scores.length): Largest => {
  let place = 0
  let score = -Infinity
  for (let at = 0; at < count; at++) {
    const own = scores[at]!
    if (own > score) {
      place = at
      score = own
    }
  }
  return { place, score }
}

/** At most `most` of the items, evenly spaced, with the last one. */
export const thinned = <T extends {}>(items: readonly T[], most: number): T[] =>
  items.length <= most
    ? [...items]
    : Array.from({ length: most }, (_, i) =>
        itemAt(items, Math.ceil(((i + 1) * items.length) / most) - 1)
      )
