/** Bags: items with the number of times that they occur. */

/** In the order of their first occurrence. */
export const countsOf = <Item>(items: Iterable<Item>): Map<Item, number> => {
  const counts = new Map<Item, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}

/** Items that two bags have in common, each as often as it is in both. */
export const overlapOf = <Item>(
  one: ReadonlyMap<Item, number>,
  other: ReadonlyMap<Item, number>
): number => {
  let shared = 0
  for (const [item, count] of one) shared += Math.min(count, other.get(item) ?? 0)
  return shared
}
