/**
 * A field model as bytes: theta and the directions of learned requests. Behind the manifest are the difference of the
 * layers from the encoder's own weights as float16, the heads as float32, the directions as int8, all little-endian. The
 * differences are small, so halves are exact enough: halves of the weights themselves move probabilities by 1e-3.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FormSizes } from '../../../../src/core/form/targets.ts'
import {
  kindsOf,
  type KnownKinds,
  type StoredKinds,
} from '../../../../src/core/learn/head/known-kinds.ts'
import { AppError } from '../../../../src/errors.ts'
import { storageError, writeInFolder } from '../../../host/disk.ts'
import { decodeHashed, encodeHashed } from '../../../host/label-head/hashed-file.ts'
import { decodeTensor, encodeHalves } from '../../../model/tensor-types.ts'
import type { FieldEncoder } from './field-encoder.ts'
import { createFieldLayout, encoderTheta, type FieldLayout } from './field-layout.ts'

export interface FieldManifest {
  encoder: string
  encoder_fingerprint: string
  sizes: FormSizes
  /** how answers are made of fields and choices; not read here */
  form: unknown
  /** of the learned requests, in the order of their directions */
  kinds: StoredKinds
  /** rows that it was trained on */
  rows: number
  data_hash: string
  seed: number
  hyperparameters: Record<string, number>
  suffix: string | null
  metadata: Record<string, string>
}

export interface FieldModelContent {
  manifest: FieldManifest
  theta: Float32Array
  /** directions of the learned requests, `[rows, hidden]` */
  codes: Int8Array
}

export interface FieldModelFile extends Omit<FieldModelContent, 'codes'> {
  id: string
  layout: FieldLayout
  kinds: KnownKinds
}

/** The part of an encoder that a file is read with. */
export type FileEncoder = Pick<FieldEncoder, 'config' | 'fingerprint' | 'weights'>

export const FIELD_MODEL_EXTENSION = '.fields'

const HALF_BYTES = 2
const FLOAT_BYTES = 4
/** largest number of float16 */
const LARGEST = 65504

const checkSizes = (theta: Float32Array): void => {
  const at = theta.findIndex((value) => !(Math.abs(value) <= LARGEST))
  if (at >= 0)
    throw new AppError(
      'internal',
      `weight ${at} of the field model is ${theta[at]}: train again with lower learning rates`
    )
}

/**
 * The file's bytes and the id that they have.
 * @throws AppError `internal` when a weight does not fit into float16
 */
export const encodeFieldModel = (
  { manifest, theta, codes }: FieldModelContent,
  { config, weights }: FileEncoder
) => {
  checkSizes(theta)
  const layout = createFieldLayout(config, manifest.sizes)
  const own = encoderTheta(layout, weights)
  const differences = theta.slice(0, layout.headsFrom)
  for (let i = 0; i < differences.length; i++) differences[i] = differences[i]! - own[i]!
  const heads = theta.slice(layout.headsFrom)
  return encodeHashed('fields', manifest, [encodeHalves(differences), heads, codes])
}

/** @param bytes differences as halves, then heads */
const decodeTheta = (
  layout: FieldLayout,
  bytes: Uint8Array,
  weights: FileEncoder['weights']
): Float32Array => {
  const { headsFrom, length } = layout
  const theta = encoderTheta(layout, weights)
  const differences = decodeTensor('F16', bytes, headsFrom)
  for (let i = 0; i < headsFrom; i++) theta[i] = theta[i]! + differences[i]!
  theta.set(
    decodeTensor('F32', bytes.subarray(headsFrom * HALF_BYTES), length - headsFrom),
    headsFrom
  )
  return theta
}

/** The rest of the bytes, as a copy: the file may be forgotten. */
const codesAt = (bytes: Buffer, start: number): Int8Array =>
  new Int8Array(new Uint8Array(bytes.subarray(start)).buffer)

/** @throws AppError `invalid-model` when the bytes do not have the id, or belong to another encoder */
export const decodeFieldModel = (
  id: string,
  bytes: Buffer,
  encoder: FileEncoder
): FieldModelFile => {
  const { manifest, start } = decodeHashed<FieldManifest>('fields', id, bytes)
  if (manifest.encoder_fingerprint !== encoder.fingerprint)
    throw new AppError(
      'invalid-model',
      `${id} was trained on another encoder (${manifest.encoder})`
    )
  const layout = createFieldLayout(encoder.config, manifest.sizes)
  const { headsFrom, length } = layout
  const { hiddenSize } = encoder.config
  const weightBytes = headsFrom * HALF_BYTES + (length - headsFrom) * FLOAT_BYTES
  const expected = weightBytes + manifest.kinds.classes.length * hiddenSize
  if (bytes.length !== start + expected)
    throw new AppError(
      'invalid-model',
      `${id} has ${bytes.length - start} bytes behind its manifest instead of ${expected}: it was written by another version, so train it again`
    )
  return {
    id,
    manifest,
    layout,
    theta: decodeTheta(layout, bytes.subarray(start, start + weightBytes), encoder.weights),
    kinds: kindsOf(manifest.kinds, codesAt(bytes, start + weightBytes), hiddenSize),
  }
}

/**
 * Writes `<folder>/<id>.fields`. The same content written twice is one model.
 * @returns the id
 * @throws AppError `store-unavailable`
 */
export const writeFieldModel = async (
  folder: string,
  content: FieldModelContent,
  encoder: FileEncoder
): Promise<string> => {
  const { id, bytes } = encodeFieldModel(content, encoder)
  await writeInFolder(folder, `${id}${FIELD_MODEL_EXTENSION}`, bytes)
  return id
}

/** @throws AppError `store-unavailable` when the file cannot be read; `invalid-model` as `decodeFieldModel` */
export const readFieldModel = async (
  folder: string,
  id: string,
  encoder: FileEncoder
): Promise<FieldModelFile> => {
  const path = join(folder, `${id}${FIELD_MODEL_EXTENSION}`)
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw storageError(`${path} cannot be read`, cause)
  })
  return decodeFieldModel(id, bytes, encoder)
}
