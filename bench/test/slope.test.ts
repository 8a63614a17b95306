import { describe, expect, it } from 'vitest'
import { blockMeans, fitLine, isFlat } from '../proxy/slope.ts'
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

/** What a collector does to memory: each sample is mostly the one before. */
const wandering = (seed: number) => {
  const random = seededRandom(seed)
  let level = 0
  return samples(0, 0).map(({ x, y }) => {
    level = 0.7 * level + 20 * (random() - 0.5)
    return { x, y: y + level }
  })
}

const within = (points: { x: number; y: number }[]): boolean => {
  const { slope, standardError } = fitLine(points)
  return Math.abs(slope) <= 2 * standardError
}

describe('means of neighbours', () => {
  it('keep every point, the last block being the shorter one', () => {
    const points = [1, 3, 5, 7, 9].map((y, x) => ({ x, y }))
    expect(blockMeans(points, 3)).toEqual([
      { x: 0.5, y: 2 },
      { x: 2.5, y: 6 },
      { x: 4, y: 9 },
    ])
    expect(blockMeans(points, 100)).toEqual(points)
  })

  it('do not take a level that wanders for a slope', () => {
    const all = Array.from({ length: 200 }, (_, seed) => wandering(seed))
    // two standard errors hold 95 % of honest lines
    expect(all.filter((points) => within(blockMeans(points, 40))).length).toBeGreaterThan(180)
    expect(all.filter(within).length).toBeLessThan(160)
  })
})
