/** TRACER's split of its training rows. Knows places alone, so no other row can get in. Pure. */
import { groupBy } from '../../../src/core/group-by.ts'
import { seededRandom, shuffle } from '../../../src/random.ts'

/** Places of the training rows, each in one part. */
export interface Splits {
  /** trains the surrogates */
  train: number[]
  /** chooses one of them, and trains the acceptor */
  valid: number[]
  /** chooses the threshold */
  calibration: number[]
}

/** Of a label's rows, in `valid` and in `calibration` each. */
const SHARE = 0.2

/** A label's only row trains; of two rows the second calibrates. */
const sizesOf = (rows: number): { valid: number; calibration: number } => {
  if (rows < 3) return { valid: 0, calibration: rows - 1 }
  const part = Math.max(1, Math.round(SHARE * rows))
  return { valid: part, calibration: part }
}

/** Label by label, so that each part has each label where its rows suffice. */
export const splitRows = (labels: Int32Array, seed: number): Splits => {
  const random = seededRandom(seed)
  const splits: Splits = { train: [], valid: [], calibration: [] }
  for (const group of groupBy([...labels.keys()], (place) => labels[place]!).values()) {
    const places = shuffle(group, random)
    const { valid, calibration } = sizesOf(places.length)
    const trained = places.length - valid - calibration
    splits.train.push(...places.slice(0, trained))
    splits.valid.push(...places.slice(trained, trained + valid))
    splits.calibration.push(...places.slice(trained + valid))
  }
  return splits
}
