/** The order of a job's rows as batches, for a trainer that is given it. Pure. */
import { deriveSeed, seededRandom, shuffle } from '../../src/random.ts'
import { epochBatches } from './epoch-batches.ts'

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
