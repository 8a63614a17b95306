/** First place of an ascending list whose number is at least `value`; its length where none is. */
export const placeIn = (ascending: ArrayLike<number>, value: number): number => {
  let [from, to] = [0, ascending.length]
  while (from < to) {
    const middle = (from + to) >>> 1
    if (ascending[middle]! < value) from = middle + 1
    else to = middle
  }
  return from
}
