/** The order of a job's rows as batches, for a trainer that is given it. Pure. */
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

/** Row numbers of all batches together, a few bytes each; a longer job repeats its first epochs. */
const MAX_NUMBERS = 4_000_000
const MAX_VALIDATION_ROWS = 256
/** Streams of a job's seed; an epoch's is its number. */
const STREAMS = { start: -1, validation: -2 }

/** For the values that a new lora begins with. */
export const startSeed = (seed: number): number => deriveSeed(seed, STREAMS.start)

/** The batch of every step, or whole epochs of them where the job has more steps. */
export const batchesOf = (
  lengths: number[],
  { batch_size: batchSize, total_steps: steps }: { batch_size: number; total_steps: number },
  seed: number
): number[][] => {
  const batches: number[][] = []
  for (let epoch = 0; batches.length < steps; epoch++) {
    batches.push(...epochBatches(lengths, batchSize, seed, epoch))
    if ((epoch + 2) * lengths.length > MAX_NUMBERS) break
  }
  return batches.slice(0, steps)
}

/** The rows that a job validates on. */
export const validationSample = <Row>(rows: readonly Row[], seed: number): Row[] =>
  shuffle([...rows], seededRandom(deriveSeed(seed, STREAMS.validation))).slice(
    0,
    MAX_VALIDATION_ROWS
  )
