/** At most `most` of the items, evenly spaced, with the last one. */
import { itemAt } from './lists.ts'
export const thinned = <T extends {}>(items: readonly T[], most: number): T[] =>
  items.length <= most
    ? [...items]
    : Array.from({ length: most }, (_, i) =>
        itemAt(items, Math.ceil(((i + 1) * items.length) / most) - 1)
      )
