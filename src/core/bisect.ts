/**
 * Binary search: the first place from which on a test does not hold. It holds for all items before that place and for
 * none behind it.
 * @param items ascending in what the test asks for
 */
export const firstPlace = <Item>(
  items: readonly Item[],
  isBefore: (item: Item) => boolean
): number => {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}
