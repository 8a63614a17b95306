/**
 * What each of several mends has a part in. Mends depend on each other: what stands first hides what stands behind
 * it, so the gain of two is not the sum of both.
 */
import { itemAt } from '../lists.ts'

/** More mends would take too many simulations. */
export const MOST_MENDS = 5

/** All subsets of so many mends, as bits. */
export const subsetsOf = (mends: number): number[] => [...Array(2 ** mends).keys()]

const sizeOf = (subset: number): number =>
  [...subset.toString(2)].filter((bit) => bit === '1').length

const factorial = (number: number): number => (number < 2 ? 1 : number * factorial(number - 1))

/**
 * Each mend's mean gain over all orders of mending (the Shapley value); they sum up to the gain of all mends.
 * @param gains by subset, bit `i` for mend `i`; that of none is 0
 */
export const meanGains = (gains: readonly number[], mends: number): number[] =>
  Array.from({ length: mends }, (_, mend) =>
    subsetsOf(mends)
      .filter((subset) => (subset & (1 << mend)) === 0)
      .reduce((sum, subset) => {
        const before = sizeOf(subset)
        const orders = factorial(before) * factorial(mends - before - 1)
        const gain = itemAt(gains, subset | (1 << mend)) - itemAt(gains, subset)
        return sum + (orders / factorial(mends)) * gain
      }, 0)
  )

/** What each mend adds when they are made one after another. @param order indices of mends */
export const gainsInOrder = (gains: readonly number[], order: readonly number[]): number[] => {
  let subset = 0
  return order.map((mend) => {
    const before = itemAt(gains, subset)
    subset |= 1 << mend
    return itemAt(gains, subset) - before
  })
}
