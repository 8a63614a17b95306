import { describe, expect, it } from 'vitest'
import { armByValidationLoss, chooseStatistic } from '../../src/core/gate/arm.ts'

/** `[similarity, sum, minimum]` */
const answers = (...rows: [number, number, number][]) =>
  rows.map(([similarity, logprobSum, logprobMin]) => ({ similarity, logprobSum, logprobMin }))

describe('the arm by validation loss', () => {
  it('is the one with the lowest loss, the earlier one at a tie', () => {
    expect(armByValidationLoss([0.4, 0.1])).toBe(1)
    expect(armByValidationLoss([0.2, 0.2])).toBe(0)
  })

  it('is unknown when an arm has no loss, as after training that diverged', () => {
    expect(armByValidationLoss([0.4, null])).toBeNull()
    expect(armByValidationLoss([0.4, Number.NaN])).toBeNull()
    expect(armByValidationLoss([])).toBeNull()
  })
})

describe('the statistic by rows that are not held out', () => {
  it('is the one that ranks agreement above disagreement more often', () => {
    const longAnswers = answers([1, -3, -0.1], [1, -2, -0.2], [0, -1, -0.9], [0, -4, -2])
    expect(chooseStatistic(longAnswers, 1)).toBe('min')
    const shortAnswers = answers([1, -0.1, -1], [1, -0.2, -2], [0, -1, -1.5])
    expect(chooseStatistic(shortAnswers, 1)).toBe('sum')
  })

  it('is the sum on a tie, without rows and without both outcomes', () => {
    expect(chooseStatistic(answers([1, -1, -1], [0, -2, -2]), 1)).toBe('sum')
    expect(chooseStatistic([], 1)).toBe('sum')
    expect(chooseStatistic(answers([1, -2, -1], [1, -1, -2]), 1)).toBe('sum')
  })

  it('counts equal confidences half, so that a constant separates nothing', () => {
    const constantMinimum = answers([1, -1, -1], [1, -3, -1], [0, -2, -1], [0, -4, -1])
    expect(chooseStatistic(constantMinimum, 1)).toBe('sum')
    const constantSum = constantMinimum.map(({ similarity, logprobSum }) => ({
      similarity,
      logprobSum: -1,
      logprobMin: logprobSum,
    }))
    expect(chooseStatistic(constantSum, 1)).toBe('min')
  })

  it('looks at agreement in the sense of the promise, and at finite values only', () => {
    const graded = answers([0.85, -3, -1], [0.7, -1, -2], [0.75, Number.NaN, -0.1])
    expect(chooseStatistic(graded, 0.8)).toBe('min')
    expect(chooseStatistic(graded, 0.6)).toBe('sum')
  })
})
