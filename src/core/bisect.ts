/** Binary search. */

/**
 * The first place from which on a test does not hold. It holds for all items before that place and for none behind it.
 * @param items ascending in what the test asks for
 */
export const firstPlace = <Item>(
  items: ArrayLike<Item>,
  isBefore: (item: Item) => boolean
): number => {
  let [low, high] = [0, items.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}

/** First place of an ascending list whose number is at least `value`; its length where none is. */
export const placeIn = (ascending: ArrayLike<number>, value: number): number =>
  firstPlace(ascending, (number) => number < value)
