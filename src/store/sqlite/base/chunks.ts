/** Lists in pieces that fit the parameters of one statement and keep transactions short. */
const CHUNK_ROWS = 500

export const inChunks = <T>(items: T[], size = CHUNK_ROWS): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size)
  )
