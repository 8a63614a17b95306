/** At most `most` of the items, evenly spaced, with the last one. */
export const thinned = <T>(items: readonly T[], most: number): T[] =>
  items.length <= most
    ? [...items]
    : Array.from({ length: most }, (_, i) => items[Math.ceil(((i + 1) * items.length) / most) - 1]!)
