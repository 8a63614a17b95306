/**
 * Binary search: the first place from which on a test does not hold. It holds for all items before that place and for
 * none behind it.
 * @param items ascending in what the test asks for
 * @param from,to places that are searched, without the last one
 */
export const firstPlace = <Item>(
  items: ArrayLike<Item>,
  isBefore: (item: Item) => boolean,
  from = 0,
  to = items.length
): number => {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}
