/**
 * A label head as bytes: manifest, weights, and the training queries' directions for `distance`. The
 * id is a hash of the bytes, so a head never changes. Layout: length of the manifest (uint32,
 * little-endian), manifest as JSON, weights and biases (float32), query codes (int8).
 */
import { createHash } from 'node:crypto'
import { AppError } from '../../../src/errors.ts'
import type { Acceptor } from '../../../src/core/learn/acceptor.ts'
import type { Head } from '../../../src/core/learn/softmax-head.ts'

/** An `Acceptor` as lists of numbers. */
interface StoredAcceptor {
  means: number[]
  deviations: number[]
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
  weights: Float32Array
  bias: Float32Array
  /** `[queries, dims]`: directions of training queries, in 8 bits */
  codes: Int8Array
}

export interface LabelHead {
  id: string
  manifest: HeadManifest
  head: Head
  codes: Int8Array
  /** class of each row of `codes` */
  queryLabels: Int32Array
  acceptor: Acceptor | null
  /** lengths of the rows of `codes` */
  norms: Float32Array
  /** of memory */
  bytes: number
}

const LENGTH_BYTES = 4
const HIGHEST_CODE = 127

const idOf = (bytes: Uint8Array, suffix: string | null): string => {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  return ['head', suffix, hash].filter((part) => part !== null).join('-')
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array | Int8Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** Rows `[rows, dims]` scaled to the range of int8, each by its largest number; lengths are lost. */
export const directionCodes = (vectors: Float32Array, dims: number): Int8Array => {
  const codes = new Int8Array(vectors.length)
  for (let from = 0; from < vectors.length; from += dims) {
    let largest = 0
    for (let k = from; k < from + dims; k++) largest = Math.max(largest, Math.abs(vectors[k]!))
    const scale = largest === 0 ? 0 : HIGHEST_CODE / largest
    for (let k = from; k < from + dims; k++) codes[k] = Math.round(vectors[k]! * scale)
  }
  return codes
}

/** The file's bytes and the id that they have. */
export const encodeHead = (content: HeadContent): { id: string; bytes: Uint8Array } => {
  const { manifest, weights, bias, codes } = content
  const json = Buffer.from(JSON.stringify(manifest))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(json.length)
  const bytes = Buffer.concat([length, json, bytesOf(weights), bytesOf(bias), bytesOf(codes)])
  return { id: idOf(bytes, manifest.suffix), bytes }
}

const parseManifest = (bytes: Buffer, id: string): { manifest: HeadManifest; start: number } => {
  try {
    const start = LENGTH_BYTES + bytes.readUInt32LE(0)
    const manifest = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, start)) as HeadManifest
    return { manifest, start }
  } catch (cause) {
    throw new AppError('invalid-model', `${id} is damaged`, { cause })
  }
}

export const storedAcceptor = ({ means, deviations, head }: Acceptor): StoredAcceptor => ({
  means: [...means],
  deviations: [...deviations],
  weights: [...head.weights],
  bias: [...head.bias],
})

const acceptorOf = ({ means, deviations, weights, bias }: StoredAcceptor): Acceptor => ({
  means: Float32Array.from(means),
  deviations: Float32Array.from(deviations),
  head: {
    dims: means.length,
    classes: bias.length,
    weights: Float32Array.from(weights),
    bias: Float32Array.from(bias),
    temperature: 1,
  },
})

/** Lengths of the rows of `codes`. */
export const normsOf = (codes: Int8Array, dims: number): Float32Array =>
  Float32Array.from({ length: codes.length / dims }, (_, row) => {
    let sum = 0
    for (let k = row * dims; k < (row + 1) * dims; k++) sum += codes[k]! ** 2
    return Math.sqrt(sum)
  })

/** @throws AppError `invalid-model` when the bytes do not have the id */
export const decodeHead = (id: string, bytes: Buffer): LabelHead => {
  const { manifest, start } = parseManifest(bytes, id)
  if (idOf(bytes, manifest.suffix) !== id)
    throw new AppError('invalid-model', `${id} is damaged: its content does not match its name`)
  const { dims, labels, query_labels: queryLabels, temperature } = manifest
  // copies, so that the numbers are aligned and do not hold the file
  const copy = (from: number, length: number): ArrayBuffer =>
    new Uint8Array(bytes.subarray(from, from + length)).buffer
  const weightBytes = labels.length * dims * 4
  const biasAt = start + weightBytes
  const codesAt = biasAt + labels.length * 4
  const codes = new Int8Array(copy(codesAt, queryLabels.length * dims))
  const head: Head = {
    dims,
    classes: labels.length,
    weights: new Float32Array(copy(start, weightBytes)),
    bias: new Float32Array(copy(biasAt, labels.length * 4)),
    temperature,
  }
  return {
    id,
    manifest,
    head,
    codes,
    queryLabels: Int32Array.from(queryLabels),
    acceptor: manifest.acceptor && acceptorOf(manifest.acceptor),
    norms: normsOf(codes, dims),
    bytes: bytes.length,
  }
}
