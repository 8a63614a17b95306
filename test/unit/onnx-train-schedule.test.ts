import { describe, expect, it } from 'vitest'
import { adamWStep, createAdamW } from '../../adapters/onnx/gradient/adamw.ts'
import { sharedPrefixTokens } from '../../adapters/text/rows.ts'
import { learningRateAt, resolveHyperparameters } from '../../adapters/lora/hyperparameters.ts'
import { epochBatches } from '../../adapters/lora/schedule.ts'
import { groupByPrefix, splitByMemory } from '../../adapters/onnx/train/row-order.ts'
import { prefixSpans, rowSpans, tokenBlocks } from '../../adapters/onnx/train/token-blocks.ts'
import { randomRows, tinyConfig } from '../kit/model/tiny-training.ts'

const row = (promptIds: number[]) => ({ promptIds, completionIds: [1], weight: 1 })

/** of one group */
const options = (length: number, { weightDecay = 0, clipNorm = 0 } = {}) => ({
  groups: [{ until: length, learningRate: 0.1, weightDecay }],
  clipNorm,
})

describe('AdamW', () => {
  it('takes its first step of the learning rate against the sign of the gradient', () => {
    const theta = Float32Array.of(1, 1, 1)
    adamWStep(theta, Float32Array.of(3, -0.01, 0), createAdamW(3), options(3))
    expect(theta[0]).toBeCloseTo(0.9, 5)
    expect(theta[1]).toBeCloseTo(1.1, 5)
    expect(theta[2]).toBe(1)
  })

  it('follows the published recurrence over several steps', () => {
    const theta = Float32Array.of(2)
    const state = createAdamW(1)
    let [expected, m, v] = [2, 0, 0]
    for (let t = 1; t <= 5; t++) {
      const gradient = 0.3 * t - 1
      adamWStep(theta, Float32Array.of(gradient), state, options(1, { weightDecay: 0.01 }))
      m = 0.9 * m + 0.1 * gradient
      v = 0.999 * v + 0.001 * gradient ** 2
      const update = m / (1 - 0.9 ** t) / (Math.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
      expected -= 0.1 * (update + 0.01 * expected)
    }
    expect(theta[0]).toBeCloseTo(expected, 5)
  })

  it('gives groups of parameters rates of their own, and clips all of them together', () => {
    const theta = Float32Array.of(1, 1, 1)
    const groups = [
      { until: 1, learningRate: 0.1, weightDecay: 0 },
      { until: 3, learningRate: 0.01, weightDecay: 0.5 },
    ]
    const state = createAdamW(3)
    const gradient = Float32Array.of(3, 0, -4)
    expect(adamWStep(theta, gradient, state, { groups, clipNorm: 1 })).toBe(5)
    expect(theta[0]).toBeCloseTo(0.9, 5)
    expect(theta[1]).toBeCloseTo(0.995, 5)
    expect(theta[2]).toBeCloseTo(1.005, 5)
    expect([state.step, state.m[0]]).toEqual([1, expect.closeTo(0.06, 6)])
  })

  it('clips the gradient by its norm and returns the norm before', () => {
    const state = createAdamW(2)
    const gradient = Float32Array.of(3, 4)
    expect(adamWStep(new Float32Array(2), gradient, state, options(2, { clipNorm: 1 }))).toBe(5)
    expect(state.m[0]).toBeCloseTo(0.06, 6)
  })

  it('changes nothing on a gradient that is not finite', () => {
    const theta = Float32Array.of(1, 2)
    const state = createAdamW(2)
    expect(adamWStep(theta, Float32Array.of(NaN, 1), state, options(2))).toBeNaN()
    expect([...theta, state.step, state.m[1]]).toEqual([1, 2, 0, 0])
  })
})

describe('hyperparameters', () => {
  const shape = { rows: 1500, parameters: 135e6, start: null }

  it('have defaults by model size and row count', () => {
    const small = resolveHyperparameters({}, shape)
    expect(small).toMatchObject({ rank: 16, alpha: 32, learning_rate: 1e-3, batch_size: 16 })
    expect(small).toMatchObject({ n_epochs: 7, total_steps: 7 * 94, max_seconds: null })
    expect(resolveHyperparameters({}, { ...shape, parameters: 1e9 }).learning_rate).toBe(2e-4)
    expect(resolveHyperparameters({}, { ...shape, rows: 10 }).n_epochs).toBe(10)
    expect(resolveHyperparameters({}, { ...shape, rows: 90_000 }).n_epochs).toBe(1)
    expect(resolveHyperparameters({ max_steps: 3 }, shape).total_steps).toBe(3)
    const start = { rank: 8, alpha: 4 }
    expect(resolveHyperparameters({}, { ...shape, start })).toMatchObject(start)
  })

  const curve = { learning_rate: 1, warmup_ratio: 0.1, schedule_span: [0, 1] as [number, number] }

  it('warm up linearly and fall along a cosine to 0', () => {
    expect(learningRateAt(0, curve)).toBe(0)
    expect(learningRateAt(0.05, curve)).toBeCloseTo(0.5, 1)
    expect(learningRateAt(0.5, curve)).toBeCloseTo(0.5, 6)
    expect(learningRateAt(1, curve)).toBeCloseTo(0, 6)
  })

  it('continue one curve over the spans of several jobs', () => {
    const first = { ...curve, schedule_span: [0, 0.6] as [number, number] }
    const second = { ...curve, warmup_ratio: 0, schedule_span: [0.6, 1] as [number, number] }
    expect(learningRateAt(1, first)).toBeCloseTo(learningRateAt(0, second), 6)
    expect(learningRateAt(0.5, second)).toBeCloseTo(learningRateAt(0.8, curve), 6)
  })
})

describe('order of rows', () => {
  const lengths = Array.from({ length: 103 }, (_, i) => (i * 37) % 50)

  it('visits every row once an epoch, in full batches but one', () => {
    const batches = epochBatches(lengths, 8, 1, 0)
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i))
    expect(batches.filter((batch) => batch.length !== 8)).toHaveLength(1)
  })

  it('is the same for a seed and an epoch, and differs between epochs and seeds', () => {
    expect(epochBatches(lengths, 8, 1, 0)).toEqual(epochBatches(lengths, 8, 1, 0))
    expect(epochBatches(lengths, 8, 1, 0)).not.toEqual(epochBatches(lengths, 8, 1, 1))
    expect(epochBatches(lengths, 8, 1, 0)).not.toEqual(epochBatches(lengths, 8, 2, 0))
  })

  it('puts rows of similar length into one batch', () => {
    const spread = (batches: number[][]) =>
      batches.reduce((sum, batch) => {
        const own = batch.map((i) => lengths[i]!)
        return sum + Math.max(...own) - Math.min(...own)
      }, 0)
    const batches = epochBatches(lengths, 8, 1, 0)
    expect(spread(batches)).toBeLessThan(
      0.5 *
        spread([...Array(13).keys()].map((b) => lengths.map((_, i) => i).slice(8 * b, 8 * b + 8)))
    )
  })

  it('cuts a batch by memory and keeps its order', () => {
    const rows = randomRows(tinyConfig, 9, { seed: 3, prefixTokens: 5 })
    const parts = splitByMemory(
      rows,
      tinyConfig,
      { prefixTokens: 5, rowBlocks: 1 },
      { gradients: true, maxBytes: 400_000 }
    )
    expect(parts.length).toBeGreaterThan(1)
    expect(parts.length).toBeLessThan(9)
    expect(parts.flat()).toEqual(rows)
    const alone = splitByMemory(
      rows,
      tinyConfig,
      { prefixTokens: 5, rowBlocks: 1 },
      { gradients: true, maxBytes: 1 }
    )
    expect(alone).toHaveLength(9)
  })
})

describe('blocks of tokens', () => {
  it('are more where rows are longer behind their prefix', () => {
    expect(tokenBlocks(0, 33)).toEqual({ prefixTokens: 0, rowBlocks: 1 })
    expect(tokenBlocks(800, 840)).toEqual({ prefixTokens: 800, rowBlocks: 1 })
    expect(tokenBlocks(0, 840)).toEqual({ prefixTokens: 0, rowBlocks: 4 })
  })

  it.each([prefixSpans(600), rowSpans(600, 3), rowSpans(601, 4), rowSpans(5, 5)])(
    'cover all tokens, none of them empty',
    (...spans) => {
      expect(spans[0]!.from).toBe(0)
      expect([5, 600, 601]).toContain(spans.at(-1)!.to)
      spans.forEach(({ from, to }, i) => {
        expect(to).toBeGreaterThan(from)
        if (i > 0) expect(from).toBe(spans[i - 1]!.to)
      })
    }
  )
})

describe('common prefixes', () => {
  it('leave every row a prompt token of its own', () => {
    expect(sharedPrefixTokens([row([1, 2, 3]), row([1, 2, 4])])).toBe(2)
    expect(sharedPrefixTokens([row([1, 2, 3]), row([1, 2, 3])])).toBe(2)
    expect(sharedPrefixTokens([row([1, 2]), row([1, 2, 3])])).toBe(1)
    expect(sharedPrefixTokens([row([5]), row([1, 2, 3])])).toBe(0)
    expect(sharedPrefixTokens([])).toBe(0)
  })

  it('group rows that begin alike, wherever they stand', () => {
    const a = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    const b = [1, 1, 2, 2, 2, 2, 2, 2, 2, 2]
    const rows = [row([...a, 3]), row([...b, 4]), row([...a, 5]), row([...b, 6]), row([...a, 7])]
    expect(groupByPrefix(rows)).toEqual([
      [0, 2, 4],
      [1, 3],
    ])
  })
})
