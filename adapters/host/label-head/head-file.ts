/**
 * A label head as bytes: weights, and the training queries' directions for `distance`. Behind the manifest are weights
 * and biases on embeddings (float32), query codes (int8), weights and biases on hashed words (float32).
 */
import type { Acceptor } from '../../../src/core/learn/acceptor.ts'
import { storedDirections } from '../../../src/core/learn/head/directions.ts'
import type { Neighbours } from '../../../src/core/learn/head/neighbourhood.ts'
import type { Head } from '../../../src/core/learn/softmax-head.ts'
import type { PartSettings, TextHead } from '../../../src/core/learn/text-head.ts'
import { decodeHashed, encodeHashed } from './hashed-file.ts'

/** An `Acceptor` as lists of numbers. */
interface StoredAcceptor {
  means: number[]
  deviations: number[]
  precisions: number[]
  weights: number[]
  bias: number[]
}

export interface HeadManifest {
  encoder: string
  encoder_fingerprint: string
  labels: string[]
  dims: number
  temperature: number
  /** strength of the penalty that cross-validation chose */
  l2: number
  /** of the part on hashed words; null: there is none */
  hashed: (PartSettings & { dims: number }) | null
  /** rows that it was trained on */
  rows: number
  /** class of each row of `codes` */
  query_labels: number[]
  /** how likely an answer is right; null where there was nothing to learn it from */
  acceptor: StoredAcceptor | null
  data_hash: string
  seed: number
  suffix: string | null
  metadata: Record<string, string>
}

export interface HeadContent {
  manifest: HeadManifest
  head: TextHead
  /** `[queries, dims]`: directions of training queries, in 8 bits */
  codes: Int8Array
}

export interface LabelHead {
  id: string
  manifest: HeadManifest
  head: TextHead
  /** training queries and the classes of their labels */
  queries: Neighbours
  acceptor: Acceptor | null
  /** of memory */
  bytes: number
}

const partOf = (part: Head | null) => (part === null ? [] : [part.weights, part.bias])

/** The file's bytes and the id that they have. */
export const encodeHead = ({ manifest, head, codes }: HeadContent) => {
  const numbers = [...partOf(head.embedded), codes, ...partOf(head.hashed)]
  return encodeHashed('head', manifest, numbers)
}

export const storedAcceptor = (acceptor: Acceptor): StoredAcceptor => {
  const { means, deviations, precisions, head } = acceptor
  return {
    means: [...means],
    deviations: [...deviations],
    precisions: [...precisions],
    weights: [...head.weights],
    bias: [...head.bias],
  }
}

const acceptorOf = (stored: StoredAcceptor): Acceptor => {
  const { means, deviations, precisions, weights, bias } = stored
  return {
    means: Float32Array.from(means),
    deviations: Float32Array.from(deviations),
    precisions: Float32Array.from(precisions),
    head: {
      dims: means.length,
      classes: bias.length,
      weights: Float32Array.from(weights),
      bias: Float32Array.from(bias),
      temperature: 1,
    },
  }
}

/** Reads the numbers of a file one after the other, as copies: aligned, and without the rest of the file. */
const reader = (bytes: Buffer, start: number) => {
  let at = start
  const take = (length: number): ArrayBuffer =>
    new Uint8Array(bytes.subarray(at, (at += length))).buffer
  return {
    codes: (count: number) => new Int8Array(take(count)),
    head: (shape: { dims: number; temperature: number }, classes: number): Head => ({
      ...shape,
      classes,
      weights: new Float32Array(take(classes * shape.dims * 4)),
      bias: new Float32Array(take(classes * 4)),
    }),
  }
}

/** @throws AppError `invalid-model` when the bytes do not have the id */
export const decodeHead = (id: string, bytes: Buffer): LabelHead => {
  const { manifest, start } = decodeHashed<HeadManifest>('head', id, bytes)
  const { dims, labels, query_labels: queryLabels, temperature, hashed, acceptor } = manifest
  const read = reader(bytes, start)
  const embedded = read.head({ dims, temperature }, labels.length)
  const codes = read.codes(queryLabels.length * dims)
  const directions = storedDirections(codes, dims)
  return {
    id,
    manifest,
    head: { embedded, hashed: hashed ? read.head(hashed, labels.length) : null },
    queries: { directions, classes: Int32Array.from(queryLabels) },
    acceptor: acceptor && acceptorOf(acceptor),
    bytes: bytes.length,
  }
}
