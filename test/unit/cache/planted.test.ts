/** One log of each planted cause; `npm run bench:scan` has more of them. */
import { describe, expect, it } from 'vitest'
import { PLANTED, type Planted } from '../../kit/cache/cache-logs.ts'
import { judgeCache } from '../../kit/cache/judge-cache.ts'

const SEED = 1
const MOST_ERROR = 0.1

describe('a planted cause', () => {
  it.each(PLANTED.map((cause, at) => [cause, at % 2 === 0] as const))(
    'is named first, with its dollars: %s, counted by the provider: %s',
    (cause, isCounted) => {
      const judged = judgeCache({ seed: SEED, planted: [cause], isCounted })
      expect(judged.cause).toBe(cause)
      expect(judged.usdPerMonth).toBeGreaterThan(0)
      expect(judged.error).toBeLessThanOrEqual(MOST_ERROR)
    }
  )

  it.each<Planted[]>([
    ['date', 'name'],
    ['time', 'counter'],
    ['tools-change', 'id'],
    ['gap', 'time'],
  ])('may be two: %s and %s', (...planted) => {
    const judged = judgeCache({ seed: SEED, planted, isCounted: true })
    expect(judged.isRight).toBe(true)
    expect(judged.error).toBeLessThanOrEqual(MOST_ERROR)
  })

  it.each([true, false])('is none in a clean log, counted by the provider: %s', (isCounted) => {
    expect(judgeCache({ seed: SEED, planted: [], isCounted })).toMatchObject({
      cause: 'none',
      isRight: true,
      usdPerMonth: 0,
    })
  })
})
