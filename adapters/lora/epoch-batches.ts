/** The order of training rows in an epoch. Pure. */
import { deriveSeed, seededRandom, shuffle } from '../../src/random.ts'

/** Number of batches in a chunk, within which rows are sorted by length. */
const CHUNK_BATCHES = 4

/**
 * One epoch's batches as row numbers. Rows are shuffled and then sorted by length within chunks of a few
 * batches, so that rows of a batch are about equally long; then the batches of a chunk are shuffled.
 * The result depends only on seed and epoch, so a resumed job needs no generator state.
 */
export const epochBatches = (
  lengths: number[],
  batchSize: number,
  seed: number,
  epoch: number
): number[][] => {
  const random = seededRandom(deriveSeed(seed, epoch))
  const order = shuffle(
    lengths.map((_, row) => row),
    random
  )
  const batches: number[][] = []
  for (let at = 0; at < order.length; at += CHUNK_BATCHES * batchSize) {
    const chunk = order.slice(at, at + CHUNK_BATCHES * batchSize)
    chunk.sort((a, b) => lengths[a]! - lengths[b]!)
    const cut: number[][] = []
    for (let i = 0; i < chunk.length; i += batchSize) cut.push(chunk.slice(i, i + batchSize))
    batches.push(...shuffle(cut, random))
  }
  return batches
}
