/** Gradients of a loss by finite differences, and how far two vectors are apart. */
import { seededRandom } from '../../../src/random.ts'

/** |actual − expected| / |expected|, Euclidean. */
export const relativeError = (actual: ArrayLike<number>, expected: ArrayLike<number>): number => {
  let [difference, norm] = [0, 0]
  for (let i = 0; i < expected.length; i++) {
    difference += (actual[i]! - expected[i]!) ** 2
    norm += expected[i]! ** 2
  }
  return Math.sqrt(difference / norm)
}

/** A few places in each tensor of theta. */
export const samplePlaces = (
  { entries }: { entries: readonly { offset: number; length: number }[] },
  perTensor: number
): number[] => {
  const random = seededRandom(17)
  return entries.flatMap(({ offset, length }) =>
    Array.from({ length: perTensor }, () => offset + Math.floor(random() * length))
  )
}

const STEP = 1e-5

/** @returns the derivative at each of the places, by central differences */
export const differencesAt = async (
  places: readonly number[],
  theta: ArrayLike<number>,
  lossOf: (theta: Float64Array) => Promise<number>
): Promise<number[]> => {
  const differences: number[] = []
  for (const place of places) {
    const moved = Float64Array.from(theta)
    moved[place] = theta[place]! + STEP
    const above = await lossOf(moved)
    moved[place] = theta[place]! - STEP
    differences.push((above - (await lossOf(moved))) / (2 * STEP))
  }
  return differences
}
