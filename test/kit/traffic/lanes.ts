/** Works on all items, `lanes` at a time, each lane taking the next one when it is free. */
export const inLanes = async <T>(
  lanes: number,
  items: readonly T[],
  work: (item: T, index: number) => Promise<void>
): Promise<void> => {
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      await work(items[index]!, index)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** Works on the numbers from `from` on, ten at a time. @returns the results in the numbers' order */
export const inTens = async <T>(
  count: number,
  work: (number: number) => Promise<T>,
  from = 0
): Promise<T[]> => {
  const results: T[] = []
  for (let start = 0; start < count; start += 10) {
    const length = Math.min(10, count - start)
    results.push(
      ...(await Promise.all(Array.from({ length }, (_, index) => work(from + start + index))))
    )
  }
  return results
}
