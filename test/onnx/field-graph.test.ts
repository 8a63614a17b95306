/** The graphs of field models: gradients against finite differences, and serving against training. */
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import {
  lossTotals,
  packExamples,
  packFields,
  type FieldBatch,
} from '../../adapters/onnx/encoder/fields/field-batch.ts'
import {
  buildFieldGraph,
  buildFieldTrainingGraph,
  gradientOf,
} from '../../adapters/onnx/encoder/fields/field-graph.ts'
import { thetaWeights, type FieldLayout } from '../../adapters/onnx/encoder/fields/field-layout.ts'
import { FieldSession } from '../../adapters/onnx/encoder/fields/field-session.ts'
import type { FloatType } from '../../adapters/onnx/gradient/graph-ops.ts'
import type { FormSizes } from '../../src/core/form/targets.ts'
import { randomExamples, tinyEncoderConfig, tinyFields } from '../kit/model/tiny-fields.ts'
import { differencesAt, relativeError, samplePlaces } from '../kit/model/gradients.ts'

const sizes: FormSizes = { fields: 2, choices: [3, 2] }
const { layout, theta, embeddings } = tinyFields(tinyEncoderConfig, sizes, 5)
/** ragged rows, one of several windows, one of its markers alone */
const ROWS = [[7], [12, 5, 9], [3], [1]]

const batchOf = (own: FormSizes, rows = ROWS): FieldBatch => {
  const examples = randomExamples(tinyEncoderConfig, own, rows, 9)
  return packExamples(examples, embeddings, own, lossTotals(examples))
}

const openTraining = async (type: FloatType, ownLayout: FieldLayout = layout, gradients = true) => {
  const graph = buildFieldTrainingGraph({
    config: tinyEncoderConfig,
    layout: ownLayout,
    gradients,
    type,
  })
  const session = await InferenceSession.create(graph, {
    intraOpNumThreads: 1,
    graphOptimizationLevel: type === 'float64' ? 'basic' : 'all',
    logSeverityLevel: 3,
  })
  const floats = (data: ArrayLike<number>, dims: readonly number[]): Tensor =>
    type === 'float64'
      ? new Tensor('float64', Float64Array.from(data), dims)
      : new Tensor('float32', Float32Array.from(data), dims)
  return async ({ inputs }: FieldBatch, own: ArrayLike<number>) => {
    const feeds: Record<string, Tensor> = {}
    for (const { name, dims, offset, length } of ownLayout.entries)
      feeds[name] = floats(Array.from(own).slice(offset, offset + length), dims)
    for (const name of session.inputNames) {
      const input = inputs[name]
      if (input === undefined) continue
      feeds[name] =
        input.type === 'int64'
          ? new Tensor('int64', input.data as BigInt64Array, input.dims)
          : floats(input.data as Float32Array, input.dims)
    }
    const outputs = await session.run(feeds)
    const data = (name: string) => (outputs[name]?.data ?? []) as Float32Array
    return {
      loss: data('loss')[0]!,
      gradient: ownLayout.entries.flatMap(({ name }) => [...data(gradientOf(name))]),
      tags: data('tags'),
      choices: data('choices'),
    }
  }
}

describe('field training graph', () => {
  it.each<[string, FormSizes]>([
    ['fields and choices', sizes],
    ['fields alone', { fields: 2, choices: [] }],
    ['one choice alone', { fields: 0, choices: [4] }],
  ])('has the gradient of finite differences in float64 with %s', async (_, own) => {
    const tiny = tinyFields(tinyEncoderConfig, own, 5)
    const run = await openTraining('float64', tiny.layout)
    const batch = batchOf(own)
    const { gradient } = await run(batch, tiny.theta)
    const places = samplePlaces(tiny.layout, 4)
    const lossOf = async (moved: Float64Array) => (await run(batch, moved)).loss
    const differences = await differencesAt(places, tiny.theta, lossOf)
    const found = places.map((place) => gradient[place]!)
    expect(Math.max(...found.map(Math.abs))).toBeGreaterThan(1e-2)
    expect(relativeError(found, differences)).toBeLessThan(1e-6)
  })

  it('has the same loss, scores and gradient in float32 as in float64', async () => {
    const batch = batchOf(sizes)
    const fused = await (await openTraining('float32'))(batch, theta)
    const plain = await (await openTraining('float64'))(batch, theta)
    expect(fused.loss).toBeCloseTo(plain.loss, 5)
    for (const name of ['gradient', 'tags', 'choices'] as const)
      expect(relativeError(fused[name], plain[name])).toBeLessThan(1e-5)
  })

  it('computes the same loss without gradients', async () => {
    const batch = batchOf(sizes)
    const whole = await (await openTraining('float32'))(batch, theta)
    const alone = await (await openTraining('float32', layout, false))(batch, theta)
    expect(alone.loss).toBeCloseTo(whole.loss, 6)
    expect(alone.gradient).toHaveLength(0)
  })

  it('gives a batch the sum of the losses and gradients of its parts', async () => {
    const run = await openTraining('float32')
    const examples = randomExamples(tinyEncoderConfig, sizes, ROWS, 9)
    const totals = lossTotals(examples)
    const together = await run(packExamples(examples, embeddings, sizes, totals), theta)
    const sum = new Float64Array(layout.length)
    let loss = 0
    for (const example of examples) {
      const alone = await run(packExamples([example], embeddings, sizes, totals), theta)
      loss += alone.loss
      alone.gradient.forEach((value, i) => (sum[i] = sum[i]! + value))
    }
    expect(together.loss).toBeCloseTo(loss, 5)
    expect(relativeError(together.gradient, sum)).toBeLessThan(1e-5)
  })
})

describe('field graph for serving', () => {
  it.each<FormSizes>([sizes, { fields: 2, choices: [] }, { fields: 0, choices: [4] }])(
    'gives the scores of the training graph: %o',
    async (own) => {
      const tiny = tinyFields(tinyEncoderConfig, own, 5)
      const examples = randomExamples(tinyEncoderConfig, own, ROWS, 9)
      const expected = await (await openTraining('float32', tiny.layout))(batchOf(own), tiny.theta)
      const weights = thetaWeights(tiny.layout, tiny.theta)
      const session = await FieldSession.open(buildFieldGraph(tinyEncoderConfig, own, weights), 1)
      const { inputs } = packFields(
        examples.map(({ tokens }) => tokens),
        embeddings
      )
      const { tags, choices } = await session.run(inputs, null)
      await session.close()
      if (own.fields > 0) expect(relativeError(tags, expected.tags)).toBeLessThan(1e-4)
      if (own.choices.length === 0) expect(choices).toBeNull()
      else expect(relativeError(choices!, expected.choices)).toBeLessThan(1e-4)
      const sum = [...tags.subarray(0, 1 + 2 * own.fields)].reduce(
        (all, log) => all + Math.exp(log),
        0
      )
      expect(sum).toBeCloseTo(1, 5)
    }
  )

  it('gives a row alone the scores that it has among others', async () => {
    const weights = thetaWeights(layout, theta)
    const session = await FieldSession.open(buildFieldGraph(tinyEncoderConfig, sizes, weights), 1)
    const rows = randomExamples(tinyEncoderConfig, sizes, ROWS, 9).map(({ tokens }) => tokens)
    const together = await session.run(packFields(rows, embeddings).inputs, null)
    const alone = await session.run(packFields([rows[0]!], embeddings).inputs, null)
    await session.close()
    const length = rows[0]!.words * (1 + 2 * sizes.fields)
    expect(
      relativeError(alone.tags.subarray(0, length), together.tags.subarray(0, length))
    ).toBeLessThan(1e-4)
    expect(relativeError(alone.choices!, together.choices!.subarray(0, 5))).toBeLessThan(1e-4)
  })
})
