/** Bags: items with the number of times that they occur. */

/** In the order of their first occurrence. */
export const countsOf = <Item>(items: Iterable<Item>): Map<Item, number> => {
  const counts = new Map<Item, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}
