import { describe, expect, it } from 'vitest'
import { fitLine, isFlat } from '../../bench/proxy/slope.ts'
import { seededRandom } from '../../src/random.ts'

/** Ten minutes of memory, a sample each second, in MiB. */
const samples = (slope: number, noise: number, seed = 1) => {
  const random = seededRandom(seed)
  return Array.from({ length: 600 }, (_, second) => {
    const x = second / 60
    return { x, y: 150 + slope * x + noise * (random() - 0.5) }
  })
}

describe('a line through measurements', () => {
  it('is exact where there is no noise', () => {
    const { slope, standardError } = fitLine(samples(3, 0))
    expect(slope).toBeCloseTo(3)
    expect(standardError).toBeCloseTo(0)
  })

  it('has the standard error of the textbook', () => {
    const points = [1, 2, 4, 3, 6].map((y, x) => ({ x, y }))
    const { slope, standardError } = fitLine(points)
    expect(slope).toBeCloseTo(1.1)
    // residuals sum to 2.7 in squares over 3 degrees of freedom, and x to 10
    expect(standardError).toBeCloseTo(Math.sqrt(2.7 / 3 / 10))
  })

  it.each([
    [0, 40, true],
    [0.4, 1, true],
    [-0.4, 1, true],
    [2, 1, false],
    [-2, 1, false],
    [1, 5, false],
  ])('of %f MiB a minute under noise of %f is flat: %s', (slope, noise, expected) => {
    expect(isFlat(fitLine(samples(slope, noise)))).toBe(expected)
  })
})
