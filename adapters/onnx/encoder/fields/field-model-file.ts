/**
 * A field model as bytes: manifest, then theta. The id is a hash of the bytes, so a model never changes.
 * Layout: length of the manifest (uint32, little-endian), manifest as JSON, theta as little-endian
 * float16, which moves log probabilities by less than 1e-3 and halves the file.
 */
import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { FormSizes } from '../../../../src/core/form/targets.ts'
import { AppError } from '../../../../src/errors.ts'
import { storageError, writeAtomically } from '../../../contract/disk.ts'
import { decodeTensor, encodeHalves } from '../../model/tensor-types.ts'
import type { FieldEncoder } from './field-encoder.ts'
import { createFieldLayout, type FieldLayout } from './field-layout.ts'

export interface FieldManifest {
  encoder: string
  encoder_fingerprint: string
  sizes: FormSizes
  /** how answers are made of fields and choices; not read here */
  form: unknown
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
}

export interface FieldModelFile extends FieldModelContent {
  id: string
  layout: FieldLayout
}

export const FIELD_MODEL_EXTENSION = '.fields'

const LENGTH_BYTES = 4
const HALF_BYTES = 2
/** largest number of float16 */
const LARGEST = 65504

const idOf = (bytes: Uint8Array, suffix: string | null): string => {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  return ['fields', suffix, hash].filter((part) => part !== null).join('-')
}

/**
 * The file's bytes and the id that they have.
 * @throws AppError `internal` when a weight does not fit into float16
 */
export const encodeFieldModel = ({
  manifest,
  theta,
}: FieldModelContent): { id: string; bytes: Uint8Array } => {
  for (let i = 0; i < theta.length; i++)
    if (!(Math.abs(theta[i]!) <= LARGEST))
      throw new AppError(
        'internal',
        `weight ${i} of the field model is ${theta[i]}: train again with lower learning rates`
      )
  const json = Buffer.from(JSON.stringify(manifest))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(json.length)
  const bytes = Buffer.concat([length, json, encodeHalves(theta)])
  return { id: idOf(bytes, manifest.suffix), bytes }
}

const parseManifest = (id: string, bytes: Buffer): { manifest: FieldManifest; start: number } => {
  try {
    const start = LENGTH_BYTES + bytes.readUInt32LE(0)
    const manifest = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, start)) as FieldManifest
    return { manifest, start }
  } catch (cause) {
    throw new AppError('invalid-model', `${id} is damaged`, { cause })
  }
}

/** @throws AppError `invalid-model` when the bytes do not have the id, or belong to another encoder */
export const decodeFieldModel = (
  id: string,
  bytes: Buffer,
  encoder: Pick<FieldEncoder, 'config' | 'fingerprint'>
): FieldModelFile => {
  const { manifest, start } = parseManifest(id, bytes)
  if (idOf(bytes, manifest.suffix) !== id)
    throw new AppError('invalid-model', `${id} is damaged: its content does not match its name`)
  if (manifest.encoder_fingerprint !== encoder.fingerprint)
    throw new AppError(
      'invalid-model',
      `${id} was trained on another encoder (${manifest.encoder})`
    )
  const layout = createFieldLayout(encoder.config, manifest.sizes)
  if (bytes.length !== start + layout.length * HALF_BYTES)
    throw new AppError(
      'invalid-model',
      `${id} has ${bytes.length - start} bytes of weights instead of ${layout.length * HALF_BYTES}: it was written by another version, so train it again`
    )
  return { id, manifest, layout, theta: decodeTensor('F16', bytes.subarray(start), layout.length) }
}

/**
 * Writes `<folder>/<id>.fields`. The same content written twice is one model.
 * @returns the id
 * @throws AppError `store-unavailable`
 */
export const writeFieldModel = async (
  folder: string,
  content: FieldModelContent
): Promise<string> => {
  const { id, bytes } = encodeFieldModel(content)
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw storageError(`${folder} cannot be written`, cause)
  }
  await writeAtomically(join(folder, `${id}${FIELD_MODEL_EXTENSION}`), bytes)
  return id
}

/** @throws AppError `store-unavailable` when the file cannot be read; `invalid-model` as `decodeFieldModel` */
export const readFieldModel = async (
  folder: string,
  id: string,
  encoder: Pick<FieldEncoder, 'config' | 'fingerprint'>
): Promise<FieldModelFile> => {
  const path = join(folder, `${id}${FIELD_MODEL_EXTENSION}`)
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw storageError(`${path} cannot be read`, cause)
  })
  return decodeFieldModel(id, bytes, encoder)
}
