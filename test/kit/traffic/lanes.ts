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
