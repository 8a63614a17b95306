import { describe, expect, it } from 'vitest'
import {
  armByValidationAgreement,
  armByValidationLoss,
  chooseStatistic,
} from '../../src/core/gate/arm.ts'

describe('the arm by validation loss', () => {
  it.each([
    [[0.4, 0.1], 1],
    [[0.2, 0.2], 0],
    [[0.4], 0],
    [[0.4, null], null],
    [[0.4, Number.NaN], null],
    [[], null],
  ])('of %j is %j: the lowest, the earlier one at a tie, unknown where one is', (losses, arm) => {
    expect(armByValidationLoss(losses)).toBe(arm)
  })
})

describe('the arm by validation agreement', () => {
  it.each([
    [[50, 56], 1],
    [[56, 56], 0],
    [[3], 0],
    [[0, 0], null],
    [[], null],
  ])('of %j is %j: the most, the earlier one at a tie, unknown without any', (agreeing, arm) => {
    expect(armByValidationAgreement(agreeing)).toBe(arm)
  })
})

/** `[agrees, sum, minimum]` */
const chosen = (...rows: [number, number, number][]) =>
  chooseStatistic(
    rows.map(([agrees, logprobSum, logprobMin]) => ({
      agrees: agrees === 1,
      logprobSum,
      logprobMin,
    }))
  )

describe('the statistic by rows that are not held out', () => {
  it('is the one that ranks agreement above disagreement more often', () => {
    expect(chosen([1, -3, -0.1], [1, -2, -0.2], [0, -1, -0.9], [0, -4, -2])).toBe('min')
    expect(chosen([1, -0.1, -1], [1, -0.2, -2], [0, -1, -1.5])).toBe('sum')
  })

  it('is the sum on a tie, without rows and without both outcomes', () => {
    expect(chosen([1, -1, -1], [0, -2, -2])).toBe('sum')
    expect(chosen()).toBe('sum')
    expect(chosen([1, -2, -1], [1, -1, -2])).toBe('sum')
  })

  it('counts equal confidences half, so that a constant separates nothing', () => {
    expect(chosen([1, -1, -1], [1, -3, -1], [0, -2, -1], [0, -4, -1])).toBe('sum')
    expect(chosen([1, -1, -1], [1, -1, -3], [0, -1, -2], [0, -1, -4])).toBe('min')
  })

  it('leaves out values that are not finite', () => {
    expect(chosen([1, -3, -1], [0, -1, -2], [0, Number.NaN, 0], [0, 0, -Infinity])).toBe('min')
  })
})
