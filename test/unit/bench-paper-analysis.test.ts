/** bench:paper: pairing, intervals, verdicts, the learning curve and the picture, on known numbers. */
import { describe, expect, it } from 'vitest'
import { LINEAR, REFERENCE } from '../../bench/paper/arms.ts'
import type { CellResult } from '../../bench/paper/cells.ts'
import { claimsFor, verdictOf } from '../../bench/paper/analysis/claims.ts'
import { curveFigures, runDeviation, wrongAmong } from '../../bench/paper/analysis/curve.ts'
import {
  clusterInterval,
  expandedLevel,
  pairedDifference,
  studentQuantile,
} from '../../bench/paper/analysis/intervals.ts'
import { drawPicture } from '../../bench/paper/analysis/picture.ts'
import { claimTable, figuresOf, seriesTable } from '../../bench/paper/analysis/report.ts'
import { analyse } from '../../bench/paper/analysis/results.ts'
import { seededRandom } from '../../src/random.ts'

const options = (seed = 1, draws = 20_000) => ({ level: 0.95, random: seededRandom(seed), draws })

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

const accuraciesOf = (accuracies: [string, number, number][]) =>
  accuracies.map(([subject, seed, accuracy]) => ({ subject, seed, accuracy }))

const equalPairs = (subjects: number, seeds: number) =>
  Array.from({ length: subjects * seeds }, (_, at) => ({
    subject: `s${at % subjects}`,
    seed: Math.floor(at / subjects),
    accuracy: 0.5,
  }))

describe('intervals', () => {
  it('use the quantiles of Student’s distribution', () => {
    // tables of the distribution
    expect(studentQuantile(0.975, 5)).toBeCloseTo(2.5706, 4)
    expect(studentQuantile(0.975, 1)).toBeCloseTo(12.7062, 3)
    expect(studentQuantile(0.95, 30)).toBeCloseTo(1.6973, 4)
    // Φ(−2.5706 · √(6 / 5)) = Φ(−2.8159)
    expect(expandedLevel(0.025, 6)).toBeCloseTo(0.00243, 5)
  })

  it('are the percentiles of all possible draws', () => {
    const clusters = [[0], [0], [0], [8]]
    const interval = clusterInterval(clusters, options())!
    expect(interval.mean).toBe(2)
    // P(mean = 0) = (3/4)^4 = 0.316; P(mean = 8) = 1/256 = 0.0039, above the expanded level of 0.0001
    expect([interval.low, interval.high]).toEqual([0, 8])
    expect(clusterInterval([[1], [2], [3]], options())).toBeNull()
  })

  it('draw whole clusters, weighted by their values', () => {
    const same = [[1, 1, 1], [1], [1, 1], [1]]
    expect(clusterInterval(same, options())).toEqual({ mean: 1, low: 1, high: 1 })
    const clusters = [[5, 5, 5, 5], [0], [0], [0]]
    expect(clusterInterval(clusters, options())!.mean).toBeCloseTo(20 / 7, 12)
  })

  it('contain the true mean of six clusters in about 95 % of the cases', () => {
    const random = seededRandom(11)
    const cases = 400
    let contained = 0
    for (let run = 0; run < cases; run++) {
      const clusters = Array.from({ length: 6 }, () => {
        const own = normal(random)
        return [own + normal(random), own + normal(random), own + normal(random)]
      })
      const { low, high } = clusterInterval(clusters, options(run, 1000))!
      if (low <= 0 && high >= 0) contained++
    }
    // plain percentiles contain it in some 86 %
    expect(contained / cases).toBeGreaterThan(0.92)
    expect(contained / cases).toBeLessThan(0.985)
  })

  it('pair by subject and seed', () => {
    const a = accuraciesOf([
      ['x', 0, 0.9],
      ['y', 0, 0.5],
      ['x', 1, 0.8],
    ])
    const b = accuraciesOf([
      ['x', 1, 0.7],
      ['x', 0, 0.6],
      ['z', 0, 0.1],
    ])
    const difference = pairedDifference(a, b, options())!
    expect(difference.pairs).toBe(2)
    expect(difference.mean).toBeCloseTo(20, 9)
    expect(difference.interval).toBeNull()
    expect(pairedDifference(a, accuraciesOf([['q', 0, 1]]), options())).toBeNull()
  })

  it.each([
    ['the subjects', 6, 3, 6],
    ['the pairs where there are few subjects', 2, 3, 6],
  ])('have as clusters %s', (_, subjects, seeds, clusters) => {
    const pairs = equalPairs(subjects, seeds)
    expect(pairedDifference(pairs, pairs, options())).toMatchObject({
      clusters,
      pairs: subjects * seeds,
      mean: 0,
    })
  })
})

describe('verdicts', () => {
  it.each([
    ['better', [5, 1, 9], 'holds'],
    ['better', [5, 0, 9], 'cannot be told'],
    ['better', [2.9, 0.5, 5], 'cannot be told'],
    ['better', [3, 0.1, 6], 'holds'],
    ['better', [1, 0.5, 2.9], 'does not hold'],
    ['better', [-9, -12, -5], 'does not hold'],
    ['better', [1, -2, 3], 'cannot be told'],
    ['as-good', [0, -2.9, 3], 'holds'],
    ['as-good', [8, 2, 12], 'holds'],
    ['as-good', [-1, -3, 1], 'cannot be told'],
    ['as-good', [-5, -8, -1], 'does not hold'],
    ['as-good', [-2.9, -5, -1], 'cannot be told'],
    ['as-good', [-5, -8, 0], 'cannot be told'],
  ] as const)('%s with mean, low, high %j: %s', (kind, [mean, low, high], verdict) => {
    expect(verdictOf(kind, { mean, low, high })).toBe(verdict)
  })

  it('cannot be told without an interval', () => {
    expect(verdictOf('better', null)).toBe('cannot be told')
    expect(verdictOf('as-good', null)).toBe('cannot be told')
  })

  it('name each claim once, the main one for each number of rows', () => {
    const names = claimsFor([60, 480]).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(
      expect.arrayContaining(['progressive', 'progressive_60', 'progressive_480'])
    )
  })
})

/** `right` of ten questions */
const cell = (
  subject: number,
  seed: number,
  [training, rows]: [typeof REFERENCE | typeof LINEAR, number],
  right: number
): CellResult => ({
  subject: `s${subject}`,
  seed,
  training,
  matching: 'steps',
  exchanges: rows,
  stages: [],
  plannedSeconds: training === LINEAR ? 40 : 10,
  promptTokensRead: training === LINEAR ? 4e6 : 4e4,
  right: { [training]: '1'.repeat(right) + '0'.repeat(10 - right) },
})

const results = [0, 1, 2, 3, 4].flatMap((subject) =>
  [0, 1].flatMap((seed) => [
    cell(subject, seed, [REFERENCE, 240], 7),
    cell(subject, seed, [LINEAR, 240], 8),
    cell(subject, seed, [REFERENCE, 60], 5 + seed),
    cell(subject, seed, [LINEAR, 60], 5),
  ])
)

describe('the report', () => {
  const analysis = analyse(results, {
    matchings: ['steps'],
    exchanges: 240,
    mainExchanges: [60],
    seed: 1,
  })
  const figures = figuresOf(analysis, { exchanges: 240 })

  it('has accuracies with their spread over seeds, and differences with their interval', () => {
    expect(figures['accuracy_linear_4']).toMatchObject({ min: 0.8, max: 0.8, runs: 2 })
    expect(figures['accuracy_query_only_60']).toMatchObject({ min: 0.5, max: 0.6, runs: 2 })
    expect(figures['accuracy_query_only_60']!.value).toBeCloseTo(0.55, 12)
    const difference = figures['difference_linear_4']!
    expect(Number(difference.value)).toBeCloseTo(10, 9)
    expect(difference.min).toBeCloseTo(10, 9)
    expect(difference.runs).toBe(10)
    expect(figures).not.toHaveProperty('difference_query_only')
  })

  it('has a verdict for each claim about arms that were trained', () => {
    expect(figures['claim_progressive']!.value).toBe(
      'equal steps: holds, +10.0 (+10.0 to +10.0) points'
    )
    expect(figures['claim_progressive_60']!.value).toContain('does not hold, −5.0')
    expect(figures).not.toHaveProperty('claim_self_distillation')
  })

  it('has tables with a row for each arm and each claim', () => {
    expect(seriesTable(analysis.series)).toHaveLength(1 + 4)
    expect(claimTable(analysis.claims)).toHaveLength(1 + analysis.claims.length)
  })

  it('has a picture with a mark for each arm on both axes', () => {
    const picture = drawPicture(analysis.series.filter(({ exchanges }) => exchanges === 240))
    expect(picture.match(/<title>/g)).toHaveLength(2 * 2)
    expect(picture).toContain('linear_4, equal steps: 80.0 %')
    expect(picture).not.toMatch(/NaN|undefined|Infinity/)
  })
})

/** Trainings whose loss has a log-normal factor with this deviation. */
const trainings = (deviation: number, random: () => number): boolean[][] => {
  const questions = Array.from({ length: 300 }, () => 0.3 * random() ** 3)
  return Array.from({ length: 3 }, () => {
    const luck = Math.exp(deviation * normal(random))
    return questions.map((chance) => random() < luck * chance)
  })
}

/** A learner that follows the law: its loss halves when the rows double. */
const curveCell = (subject: number, seed: number, exchanges: number): CellResult => {
  const random = seededRandom(1000 * subject + 10 * seed + exchanges)
  const hardness = Array.from({ length: 300 }, () => random())
  return {
    ...cell(subject, seed, [REFERENCE, exchanges], 0),
    matching: 'curve',
    right: {
      [REFERENCE]: hardness
        .map((hard) => (random() < Math.min(1, (30 / exchanges) * hard) ? '0' : '1'))
        .join(''),
    },
    confidences: hardness.map((hard) => -hard),
  }
}

describe('the learning curve', () => {
  it('counts wrong answers among the most confident ones', () => {
    expect(wrongAmong('0101', [-3, -2, -1, -0.5], 0.5)).toEqual([false, false, true, false])
    expect(wrongAmong('0101', [-3, -2, -1, -0.5], 1)).toEqual([true, false, true, false])
  })

  it.each([0, 0.15, 0.4])(
    'finds a deviation of %d between trainings, without binomial noise',
    (deviation) => {
      const random = seededRandom(5)
      const groups = Array.from({ length: 1500 }, () => trainings(deviation, random))
      expect(Math.abs(runDeviation(groups) - deviation)).toBeLessThan(0.04)
    }
  )

  it('contains the truth of a learner that follows the law in most predictions', () => {
    const cells = [0, 1].flatMap((subject) =>
      [0, 1, 2].flatMap((seed) =>
        [30, 60, 120, 240, 480].map((rows) => curveCell(subject, seed, rows))
      )
    )
    const figures = curveFigures(cells, 240, 1)
    expect(figures['curve_contained_50']!.unit).toBe('share of 6 predictions')
    for (const coverage of [50, 80, 100])
      expect(Number(figures[`curve_contained_${coverage}`]!.value)).toBeGreaterThan(0.75)
    expect(Number(figures['run_deviation_100']!.value)).toBeLessThan(0.1)
    expect(curveFigures([], 240, 1)).toEqual({})
  })
})
