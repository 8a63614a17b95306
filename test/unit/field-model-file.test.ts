/** Field models as bytes: what is written is read again, in halves. */
import { describe, expect, it } from 'vitest'
import type { EncoderConfig } from '../../adapters/onnx/encoder/encoder-config.ts'
import {
  createFieldLayout,
  initTheta,
  thetaWeights,
} from '../../adapters/onnx/encoder/fields/field-layout.ts'
import {
  decodeFieldModel,
  encodeFieldModel,
  type FieldManifest,
} from '../../adapters/onnx/encoder/fields/field-model-file.ts'
import { decodeTensor, encodeHalves } from '../../adapters/model/tensor-types.ts'
import { directionsOf } from '../../src/core/learn/head/directions.ts'
import { seededRandom } from '../../src/random.ts'

const config: EncoderConfig = {
  vocabSize: 5,
  hiddenSize: 4,
  layers: 2,
  heads: 2,
  intermediateSize: 6,
  layerNormEps: 1e-12,
  positions: 8,
  tokenTypes: 2,
  maxTokens: 8,
  pooling: 'mean',
  normalize: true,
  prefix: '',
}
const sizes = { fields: 2, choices: [3, 2] }

const manifest: FieldManifest = {
  encoder: 'tiny',
  encoder_fingerprint: 'fp_1',
  sizes,
  form: { kind: 'json' },
  kinds: { names: ['one', 'other'], classes: [0, 1, 0] },
  rows: 10,
  data_hash: 'hash',
  seed: 1,
  hyperparameters: { epochs: 8 },
  suffix: null,
  metadata: {},
}

const layout = createFieldLayout(config, sizes)
/** A weight's values begin with the length of its name, so that each tensor is its own. */
const weights = {
  float32: (name: string) => {
    const wide = name.includes('intermediate') ? 6 : 4
    const inputs = name.includes('output.dense') && !name.includes('attention') ? 6 : 4
    const length = /dense\.weight|(query|key|value)\.weight/.test(name) ? wide * inputs : wide
    return Float32Array.from({ length }, (_, at) => name.length + at / 8)
  },
}
const { codes } = directionsOf(
  Float32Array.from({ length: 3 * config.hiddenSize }, (_, at) => Math.cos(at)),
  config.hiddenSize
)
const encoder = { config, fingerprint: 'fp_1', weights }
const theta = initTheta(layout, weights, seededRandom(3))
/** as after some training */
const trained = theta.map((value, at) => value + Math.sin(at) / 100)

describe('halves', () => {
  it('are the nearest ones, ties to even', () => {
    const values = [
      0,
      -0,
      1,
      -2.5,
      65504,
      2 ** -24,
      2 ** -25,
      3 * 2 ** -25,
      1 + 2 ** -11,
      1 + 3 * 2 ** -11,
    ]
    const decoded = decodeTensor('F16', encodeHalves(Float32Array.from(values)), values.length)
    expect([...decoded]).toEqual([0, -0, 1, -2.5, 65504, 2 ** -24, 0, 2 ** -23, 1, 1 + 2 ** -9])
    const others = encodeHalves(Float32Array.of(65520, -1e9, NaN))
    expect([...decodeTensor('F16', others, 3)]).toEqual([Infinity, -Infinity, NaN])
  })

  it('come back as they were, all of them', () => {
    const all = new Uint8Array(new Uint16Array(0x10000).map((_, at) => at).buffer)
    const numbers = decodeTensor('F16', all, 0x10000)
    const again = new Uint16Array(encodeHalves(numbers).buffer)
    const differing = [...again.keys()].filter(
      (at) => again[at] !== at && !Number.isNaN(numbers[at]!)
    )
    expect(differing).toEqual([])
  })
})

describe('theta', () => {
  it('has all tensors of the layers under their names, matrices first, and the heads last', () => {
    const source = thetaWeights(layout, theta)
    for (const name of [
      'embeddings.LayerNorm.bias',
      'encoder.layer.0.attention.self.query.weight',
      'encoder.layer.1.attention.self.value.weight',
      'encoder.layer.1.attention.self.key.bias',
      'encoder.layer.0.output.dense.weight',
    ])
      expect([...source.float32(name)]).toEqual([...weights.float32(name)])
    expect([...source.float32('heads.choices.bias')]).toEqual([0, 0, 0, 0, 0])
    const tags = source.float32('heads.tags.weight')
    expect(tags).toHaveLength(5 * 4)
    expect(Math.max(...tags.map(Math.abs))).toBeGreaterThan(0.01)
    expect(Math.max(...tags.map(Math.abs))).toBeLessThan(0.1)
    const { entries, vectorsFrom, headsFrom, length } = layout
    expect(
      entries.filter(({ offset }) => offset < vectorsFrom).every(({ dims }) => dims.length > 1)
    ).toBe(true)
    expect(entries.filter(({ offset }) => offset >= headsFrom).map(({ name }) => name)).toEqual([
      'heads.tags.weight',
      'heads.tags.bias',
      'heads.choices.weight',
      'heads.choices.bias',
    ])
    expect(length).toBe(theta.length)
  })

  it('has no head for choices where there are none', () => {
    const { entries } = createFieldLayout(config, { fields: 1, choices: [] })
    expect(entries.map(({ name }) => name)).not.toContain('heads.choices.weight')
  })
})

describe('field model file', () => {
  it('is read as it was written, to halves of what training has changed', () => {
    const { id, bytes } = encodeFieldModel({ manifest, theta: trained, codes }, encoder)
    expect(id).toMatch(/^fields-[0-9a-f]{32}$/)
    const read = decodeFieldModel(id, Buffer.from(bytes), encoder)
    expect(read.manifest).toEqual(manifest)
    expect(read.kinds.names).toEqual(['one', 'other'])
    expect(read.kinds.classes).toEqual(Int32Array.of(0, 1, 0))
    expect(read.kinds.directions.codes).toEqual(codes)
    expect([...read.theta.subarray(layout.headsFrom)]).toEqual([
      ...trained.subarray(layout.headsFrom),
    ])
    for (let i = 0; i < theta.length; i++)
      expect(Math.abs(read.theta[i]! - trained[i]!)).toBeLessThan(1e-5)
    expect(encodeFieldModel({ manifest, theta: read.theta, codes }, encoder).id).toBe(id)
  })

  it('has an id that names its suffix and its content', () => {
    const named = encodeFieldModel(
      { manifest: { ...manifest, suffix: 'orders' }, theta: trained, codes },
      encoder
    )
    expect(named.id).toMatch(/^fields-orders-[0-9a-f]{32}$/)
    const other = trained.map((value) => value + 1)
    expect(encodeFieldModel({ manifest, theta: other, codes }, encoder).id).not.toBe(
      encodeFieldModel({ manifest, theta: trained, codes }, encoder).id
    )
  })

  it('is refused when it is damaged, cut off or of another encoder', () => {
    const { id, bytes } = encodeFieldModel({ manifest, theta: trained, codes }, encoder)
    const damaged = Buffer.from(bytes)
    damaged[damaged.length - 1]! ^= 1
    expect(() => decodeFieldModel(id, damaged, encoder)).toThrow('damaged')
    expect(() => decodeFieldModel(id, Buffer.from(bytes.subarray(0, 900)), encoder)).toThrow(
      'damaged'
    )
    expect(() => decodeFieldModel(id, Buffer.alloc(2), encoder)).toThrow('damaged')
    expect(() =>
      decodeFieldModel(id, Buffer.from(bytes), { ...encoder, fingerprint: 'fp_2' })
    ).toThrow('another encoder (tiny)')
    for (const cut of [
      { theta: theta.slice(0, -1), codes },
      { theta, codes: codes.slice(1) },
    ]) {
      const short = encodeFieldModel({ manifest, ...cut }, encoder)
      expect(() => decodeFieldModel(short.id, Buffer.from(short.bytes), encoder)).toThrow(
        'another version'
      )
    }
  })

  it('is not written with weights that halves cannot hold', () => {
    for (const value of [NaN, 1e6]) {
      const bad = theta.slice()
      bad[7] = value
      expect(() => encodeFieldModel({ manifest, theta: bad, codes }, encoder)).toThrow(
        'lower learning rates'
      )
    }
  })
})
