/**
 * The files of a Hugging Face folder: JSON, and safetensors (8 bytes of header length, a JSON header,
 * then the data).
 */
import { existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import { isStoredType } from './tensor-types.ts'
import { OpenFile, type StoredTensor } from './weight-file.ts'

export type Json = Record<string, unknown>

/** @throws AppError `invalid-model` when the file is missing, or not an object or a list */
export const readJson = (path: string): Json => {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new AppError(
      'invalid-model',
      `${path} is missing or unreadable: copy it from the model's repository`,
      { cause }
    )
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new AppError(
      'invalid-model',
      `${path} is not JSON (${String(cause)}): download it again`,
      { cause }
    )
  }
  if (typeof value === 'object' && value !== null) return value as Json
  throw new AppError('invalid-model', `${path} is not a JSON object: download it again`)
}

/** `{}` where the file is missing. @throws AppError `invalid-model` when it is not an object or a list */
export const readOptionalJson = (path: string): Json => (existsSync(path) ? readJson(path) : {})

/**
 * @param path of the file that has the members of `config`
 * @returns the number of a key; it throws AppError `invalid-model` for another value than a positive number
 */
export const positiveNumbersOf =
  (path: string, config: Json) =>
  (key: string, fallback?: number): number => {
    const value = config[key] ?? fallback
    if (typeof value !== 'number' || !(value > 0))
      throw new AppError('invalid-model', `${path} has no usable ${key} (${String(value)})`)
    return value
  }

const MAX_HEADER_BYTES = 100_000_000

/** Older checkpoints have these tensors, which are computed here. */
const COMPUTED = ['.rotary_emb.inv_freq', 'embeddings.position_ids']

interface HeaderEntry {
  dtype: string
  shape?: number[]
  data_offsets?: [number, number]
}

const readSafetensors = (file: OpenFile, tensors: Map<string, StoredTensor>): void => {
  const length = Number(new DataView(file.read(0, 8).buffer).getBigUint64(0, true))
  if (length > MAX_HEADER_BYTES || 8 + length > file.size)
    throw new AppError(
      'invalid-model',
      `${file.path} is damaged or not a safetensors file: download it again`
    )
  let header: Record<string, HeaderEntry>
  try {
    header = JSON.parse(new TextDecoder().decode(file.read(8, length)))
  } catch (cause) {
    throw new AppError('invalid-model', `${file.path} has a damaged header`, { cause })
  }
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__' || COMPUTED.some((computed) => name.endsWith(computed))) continue
    const { dtype, shape, data_offsets: offsets } = entry
    if (!Array.isArray(shape) || typeof offsets?.[0] !== 'number')
      throw new AppError('invalid-model', `${file.path} has a damaged header at ${name}`)
    if (!isStoredType(dtype))
      throw new AppError(
        'invalid-model',
        `${file.path}: tensor ${name} is stored as ${dtype}; supported are F32, F16 and BF16, so use another file`
      )
    tensors.set(name, { type: dtype, shape, file, offset: 8 + length + offsets[0] })
  }
}

/** The file names of the weights: one, or the shards that the index lists. */
const weightFiles = (folder: string): string[] => {
  const index = join(folder, 'model.safetensors.index.json')
  if (!existsSync(index)) return ['model.safetensors']
  const names = Object.values((readJson(index).weight_map ?? {}) as Record<string, unknown>)
  return [...new Set(names)].map((name) => {
    // a path could name a file outside of the model's folder
    if (typeof name === 'string' && /^[\w.-]+\.safetensors$/.test(name)) return name
    throw new AppError(
      'invalid-model',
      `${index} names ${JSON.stringify(name)}, which is not a file of weights`
    )
  })
}

/**
 * The tensors of all weight files, which stay open.
 * @throws AppError `invalid-model` when a file is missing or damaged, or a tensor has another type
 */
export const openWeights = (
  folder: string
): { tensors: Map<string, StoredTensor>; files: OpenFile[] } => {
  const tensors = new Map<string, StoredTensor>()
  const files: OpenFile[] = []
  try {
    for (const name of weightFiles(folder)) {
      const path = join(folder, basename(name))
      if (!existsSync(path)) throw new AppError('invalid-model', `${path} is missing: download it`)
      const file = new OpenFile(path)
      files.push(file)
      readSafetensors(file, tensors)
    }
  } catch (error) {
    for (const file of files) file.close()
    throw error
  }
  return { tensors, files }
}
