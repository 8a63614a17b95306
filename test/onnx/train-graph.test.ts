import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import { packBatch, type PackedBatch } from '../../adapters/onnx/train/batch.ts'
import { sharedPrefixTokens, type TokenizedRow } from '../../adapters/text/rows.ts'
import { createLoraLayout } from '../../adapters/lora/lora-layout.ts'
import {
  buildTrainingGraph,
  type TrainingGraphOptions,
} from '../../adapters/onnx/train/training-graph.ts'
import { randomRows, randomTheta, randomWeights, tinyConfig } from '../kit/model/tiny-training.ts'
import { differencesAt, relativeError, samplePlaces } from '../kit/model/gradients.ts'

type Type = 'float32' | 'float64'

const floats = (type: Type, data: ArrayLike<number>, dims: readonly number[]): Tensor =>
  type === 'float64'
    ? new Tensor('float64', Float64Array.from(data), dims)
    : new Tensor('float32', Float32Array.from(data), dims)

const openGraph = async (
  options: Partial<TrainingGraphOptions> & { type: Type; prefixTokens: number }
) => {
  const config = options.config ?? tinyConfig
  const weights = randomWeights(config, 3)
  const graph = buildTrainingGraph({
    config,
    layout: createLoraLayout(config, 4, 8),
    frozen: (name) =>
      options.type === 'float64' ? Float64Array.from(weights.float32(name)) : weights.float32(name),
    maxPositions: config.maxPositions,
    gradients: true,
    rowBlocks: 1,
    ...options,
  })
  const session = await InferenceSession.create(graph, {
    intraOpNumThreads: 1,
    graphOptimizationLevel: options.type === 'float64' ? 'basic' : 'all',
    logSeverityLevel: 3,
  })
  return async (batch: PackedBatch, theta: ArrayLike<number> | null) => {
    const feeds: Record<string, Tensor> = {}
    for (const name of session.inputNames) {
      const input = batch.inputs[name]
      if (input === undefined) continue
      feeds[name] =
        input.type === 'int64'
          ? new Tensor('int64', input.data as BigInt64Array, input.dims)
          : floats(options.type, input.data as Float32Array, input.dims)
    }
    if (theta !== null) feeds.theta = floats(options.type, theta, [theta.length])
    const outputs = await session.run(feeds)
    return {
      loss: Number(outputs.loss!.data[0]),
      losses: [...(outputs.losses!.data as Float32Array)],
      gradient: (outputs.gradient?.data ?? new Float32Array()) as Float32Array | Float64Array,
    }
  }
}

/** The largest difference of two elements. */
const farthest = (one: readonly number[], other: readonly number[]): number =>
  Math.max(...one.map((value, at) => Math.abs(value - other[at]!)))

/** Three tokens a position, the row's own the most probable. */
const withTeacher = (row: TokenizedRow): TokenizedRow => ({
  ...row,
  targets: {
    width: 3,
    ids: row.completionIds.flatMap((id) => [
      id,
      (id + 5) % tinyConfig.vocabSize,
      (id + 9) % tinyConfig.vocabSize,
    ]),
    probabilities: row.completionIds.flatMap(() => [0.5, 0.2, 0.1]),
  },
})

const layout = createLoraLayout(tinyConfig, 4, 8)
const theta = randomTheta(layout, 5)

/** Without a shared prefix, in one block. */
const packed = (
  rows: TokenizedRow[],
  options: Partial<Parameters<typeof packBatch>[2]> = {},
  weightSum?: number
) => packBatch(rows, tinyConfig, { prefixTokens: 0, rowBlocks: 1, ...options }, weightSum)

describe('training graph', () => {
  it.each([
    ['separate rows', 0, 1, 2],
    ['separate rows in blocks', 0, 3, 2],
    ['a shared prefix', 11, 1, 2],
    ['rows in blocks behind a shared prefix', 11, 2, 2],
    ['a prefix of several blocks', 270, 1, 1],
  ])(
    'has the gradient of finite differences in float64 with %s',
    async (_, prefixTokens, rowBlocks, layers) => {
      const config = { ...tinyConfig, layers }
      const ownLayout = createLoraLayout(config, 4, 8)
      const start = randomTheta(ownLayout, 5)
      const rows = randomRows(config, 4, { seed: 9, prefixTokens: prefixTokens || 3 })
      const batch = packBatch(rows, config, { prefixTokens, rowBlocks })
      const run = await openGraph({
        type: 'float64',
        prefixTokens,
        rowBlocks,
        config,
        layout: ownLayout,
      })
      const { gradient } = await run(batch, start)
      const places = samplePlaces(ownLayout, prefixTokens > 100 ? 1 : 3)
      const lossOf = async (moved: Float64Array) => (await run(batch, moved)).loss
      const differences = await differencesAt(places, start, lossOf)
      const found = places.map((place) => gradient[place]!)
      expect(Math.max(...found.map(Math.abs))).toBeGreaterThan(1e-3)
      expect(farthest(found, differences)).toBeLessThan(1e-8)
    }
  )

  it('has the gradient of finite differences for what a teacher says', async () => {
    const rows = randomRows(tinyConfig, 3, { seed: 9, prefixTokens: 11 }).map(withTeacher)
    // targets of different widths in one batch
    rows[1]!.targets = undefined
    const run = await openGraph({ type: 'float64', prefixTokens: 11 })
    const batch = packed(rows, { prefixTokens: 11 })
    const { gradient } = await run(batch, theta)
    const places = samplePlaces(layout, 1)
    const lossOf = async (moved: Float64Array) => (await run(batch, moved)).loss
    const differences = await differencesAt(places, theta, lossOf)
    const found = places.map((place) => gradient[place]!)
    expect(Math.max(...gradient.map(Math.abs))).toBeGreaterThan(1e-3)
    expect(farthest(found, differences)).toBeLessThan(1e-8)
  })

  it('learns a teacher that is certain as the tokens themselves', async () => {
    const rows = randomRows(tinyConfig, 3, { seed: 9, prefixTokens: 3 })
    const certain = rows.map((row) => ({
      ...row,
      targets: { width: 1, ids: row.completionIds, probabilities: row.completionIds.map(() => 1) },
    }))
    const run = await openGraph({ type: 'float32', prefixTokens: 0 })
    const hard = await run(packed(rows), theta)
    const soft = await run(packed(certain), theta)
    expect(soft.loss).toBe(hard.loss)
    expect(soft.gradient).toEqual(hard.gradient)
  })

  it('agrees between the fused float32 and the plain float64 variant', async () => {
    const rows = randomRows(tinyConfig, 4, { seed: 9, prefixTokens: 11 })
    const batch = packed(rows, { prefixTokens: 11 })
    const fused = await (await openGraph({ type: 'float32', prefixTokens: 11 }))(batch, theta)
    const plain = await (await openGraph({ type: 'float64', prefixTokens: 11 }))(batch, theta)
    expect(fused.loss).toBeCloseTo(plain.loss, 5)
    expect(relativeError(fused.gradient, plain.gradient)).toBeLessThan(1e-5)
  })

  it.each([11, 300])(
    'gives packed rows with a prefix of %d tokens the gradient of separate rows',
    async (prefixTokens) => {
      const rows = randomRows(tinyConfig, 5, { seed: 4, prefixTokens })
      expect(sharedPrefixTokens(rows)).toBeGreaterThanOrEqual(prefixTokens)
      const behind = await openGraph({ type: 'float32', prefixTokens })
      const separate = await openGraph({ type: 'float32', prefixTokens: 0 })
      const together = await behind(packed(rows, { prefixTokens }), theta)
      const apart = await separate(packed(rows), theta)
      expect(together.loss).toBeCloseTo(apart.loss, 5)
      expect(relativeError(together.gradient, apart.gradient)).toBeLessThan(1e-5)
      expect(relativeError(together.losses, apart.losses)).toBeLessThan(1e-5)
    }
  )

  it('gives ragged rows in one batch the sum of their gradients one by one', async () => {
    const rows = randomRows(tinyConfig, 4, { seed: 21, prefixTokens: 2, lengths: [3, 17, 8, 29] })
    rows[2]!.weight = 2.5
    const run = await openGraph({ type: 'float32', prefixTokens: 0 })
    const weightSum = rows.reduce((sum, row) => sum + row.weight * row.completionIds.length, 0)
    const together = await run(packed(rows), theta)
    const sum = new Float64Array(layout.length)
    let loss = 0
    for (const row of rows) {
      const alone = await run(packed([row], {}, weightSum), theta)
      loss += alone.loss
      alone.gradient.forEach((value, i) => (sum[i] = sum[i]! + value))
    }
    expect(together.loss).toBeCloseTo(loss, 5)
    expect(relativeError(together.gradient, sum)).toBeLessThan(1e-5)
  })

  it.each([
    [0, 2],
    [0, 4],
    [11, 3],
  ])(
    'gives rows behind %d shared tokens the same in %d blocks as in one',
    async (prefixTokens, rowBlocks) => {
      // the shortest ends in the first blocks
      const rows = randomRows(tinyConfig, 4, { seed: 8, prefixTokens, lengths: [2, 30, 9, 17] })
      const results = []
      for (const blocks of [
        { prefixTokens, rowBlocks: 1 },
        { prefixTokens, rowBlocks },
      ]) {
        const run = await openGraph({ type: 'float32', ...blocks })
        results.push(await run(packed(rows, blocks), theta))
      }
      const [whole, cut] = results
      expect(cut!.loss).toBeCloseTo(whole!.loss, 5)
      expect(relativeError(cut!.gradient, whole!.gradient)).toBeLessThan(1e-5)
      expect(relativeError(cut!.losses, whole!.losses)).toBeLessThan(1e-5)
    }
  )

  it('takes rows with fewer tokens than blocks', async () => {
    const rows = randomRows(tinyConfig, 2, { seed: 8, prefixTokens: 0, lengths: [2, 3] })
    const whole = await openGraph({ type: 'float32', prefixTokens: 0 })
    const cut = await openGraph({ type: 'float32', prefixTokens: 0, rowBlocks: 9 })
    const expected = await whole(packed(rows), theta)
    const actual = await cut(packed(rows, { rowBlocks: 9 }), theta)
    expect(actual.loss).toBeCloseTo(expected.loss, 5)
    expect(relativeError(actual.gradient, expected.gradient)).toBeLessThan(1e-5)
  })

  it('computes the same losses without gradients, and those of the base model without a lora', async () => {
    const rows = randomRows(tinyConfig, 3, { seed: 2, prefixTokens: 6 })
    const batch = packed(rows, { prefixTokens: 6 })
    const training = await openGraph({ type: 'float32', prefixTokens: 6 })
    const loss = await openGraph({ type: 'float32', prefixTokens: 6, gradients: false })
    const base = await openGraph({
      type: 'float32',
      prefixTokens: 6,
      gradients: false,
      layout: null,
    })
    const expected = await training(batch, theta)
    expect((await loss(batch, theta)).loss).toBeCloseTo(expected.loss, 6)
    const withoutLora = (await training(batch, new Float32Array(layout.length))).loss
    expect(withoutLora).not.toBeCloseTo(expected.loss, 3)
    expect((await base(batch, null)).loss).toBeCloseTo(withoutLora, 6)
  })

  it('reads an output head of its own where the model has one', async () => {
    const config = { ...tinyConfig, tiedEmbeddings: false }
    const rows = randomRows(config, 3, { seed: 2, prefixTokens: 6 })
    const batch = packBatch(rows, config, { prefixTokens: 6, rowBlocks: 1 })
    const tied = await openGraph({ type: 'float32', prefixTokens: 6 })
    const own = await openGraph({ type: 'float32', prefixTokens: 6, config })
    const plain = await openGraph({ type: 'float64', prefixTokens: 6, config })
    const { loss, gradient } = await own(batch, theta)
    expect(loss).not.toBeCloseTo((await tied(batch, theta)).loss, 3)
    expect(relativeError(gradient, (await plain(batch, theta)).gradient)).toBeLessThan(1e-5)
  })
})
