/** rows of one statement: fits the databases' limits on parameters and keeps transactions short */
const CHUNK_ROWS = 500

/** @returns the items in lists of `size` at most */
export const inChunks = <T>(items: T[], size = CHUNK_ROWS): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size)
  )
