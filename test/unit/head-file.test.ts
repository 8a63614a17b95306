/** Label heads as bytes: what is written is read again. */
import { describe, expect, it } from 'vitest'
import { answerOf } from '../../adapters/host/label-head/answer-head.ts'
import {
  decodeHead,
  encodeHead,
  type HeadManifest,
} from '../../adapters/host/label-head/head-file.ts'
import { directionsOf } from '../../src/core/learn/head/directions.ts'
import type { TextHead } from '../../src/core/learn/text-head.ts'

const DIMS = 2
const HASHED = { dims: 4096, l2: 0.01, temperature: 2 }

const manifest: HeadManifest = {
  encoder: 'tiny',
  encoder_fingerprint: 'fp_1',
  labels: ['yes', 'no'],
  dims: DIMS,
  temperature: 0.5,
  l2: 0.1,
  hashed: HASHED,
  rows: 2,
  query_labels: [0, 1],
  acceptor: {
    means: [0, 0, 0, 0, 0, 0],
    deviations: [1, 1, 1, 1, 1, 1],
    precisions: [0.9, 0.6],
    weights: [0, 0, 0, 0, 0, 0, 0.5, 0, 0, 0, 0, 1],
    bias: [0, 0],
  },
  data_hash: 'hash',
  seed: 1,
  suffix: null,
  metadata: {},
}

const head: TextHead = {
  embedded: {
    dims: DIMS,
    classes: 2,
    weights: Float32Array.of(1, 0, 0, 1),
    bias: Float32Array.of(0.25, -0.25),
    temperature: 0.5,
  },
  hashed: {
    ...HASHED,
    classes: 2,
    weights: Float32Array.from({ length: 2 * HASHED.dims }, (_, at) => Math.sin(at)),
    bias: Float32Array.of(0.5, -0.5),
  },
}

const { codes } = directionsOf(Float32Array.of(1, 0, 0, 1), DIMS)
const ask = (read: ReturnType<typeof decodeHead>, text: string) =>
  answerOf(
    read,
    { text, vector: Float32Array.of(0.8, 0.6) },
    { model: 'head', messages: [], logprobs: true, top_logprobs: 2 },
    () => 1
  )

describe('a head file', () => {
  it('has both parts, the directions and the precisions again', () => {
    const { id, bytes } = encodeHead({ manifest, head, codes })
    const read = decodeHead(id, Buffer.from(bytes))
    expect(read.head.embedded).toEqual(head.embedded)
    expect(read.head.hashed!.weights).toEqual(head.hashed!.weights)
    expect(read.head.hashed!.bias).toEqual(head.hashed!.bias)
    expect(read.head.hashed!.temperature).toBe(HASHED.temperature)
    expect(read.queries.directions.codes).toEqual(codes)
    expect([...read.acceptor!.precisions]).toEqual([...Float32Array.of(0.9, 0.6)])
  })

  it('answers other texts of the same embedding with other probabilities', () => {
    const { id, bytes } = encodeHead({ manifest, head, codes })
    const read = decodeHead(id, Buffer.from(bytes))
    const [one, other] = ['my card is lost', 'the exchange rate'].map((text) => ask(read, text))
    expect(one!.logprob.logprob).not.toBeCloseTo(other!.logprob.logprob, 3)
    expect(one!.distance).toBe(other!.distance)
  })

  it('is refused when a byte has changed', () => {
    const { id, bytes } = encodeHead({ manifest, head, codes })
    const changed = Buffer.from(bytes)
    changed[changed.length - 1]! ^= 1
    expect(() => decodeHead(id, changed)).toThrow(
      expect.objectContaining({
        code: 'invalid-model',
        message: expect.stringContaining(id) as string,
      })
    )
  })
})
