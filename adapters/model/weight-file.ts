/**
 * Weights that stay in their files: a tensor is read by offset when it is used. `gguf-model.ts` and
 * `folder-model.ts` find the offsets.
 */
import { createHash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { AppError } from '../../src/errors.ts'
import { type WeightSource, elements, type ModelTensor } from './llama-config.ts'
import { decodeTensor, rowBytes, type StoredType } from './tensor-types.ts'

export interface StoredTensor {
  type: StoredType
  /** row-major: `[out, in]`, or `[size]` of a norm */
  shape: number[]
  file: OpenFile
  /** bytes from the start of the file */
  offset: number
  /**
   * Set where the rows of each of so many heads are interleaved for rotary pairs (2i, 2i+1), as
   * llama.cpp's converter leaves q and k: row 2i+t of a head is Hugging Face's row t·headDim/2 + i.
   */
  interleavedHeads?: number
}

/** A file open for reading by offset. */
export class OpenFile {
  readonly size: number
  private readonly descriptor: number

  constructor(readonly path: string) {
    this.descriptor = openSync(path, 'r')
    this.size = fstatSync(this.descriptor).size
  }

  /** @throws AppError `invalid-model` when the file ends before */
  read(offset: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    let done = 0
    while (done < length) {
      const count = readSync(this.descriptor, bytes, done, length - done, offset + done)
      if (count === 0)
        throw new AppError(
          'invalid-model',
          `${this.path} ends at byte ${offset + done}, before the ${length} bytes at ${offset}; the download is incomplete, so download it again`
        )
      done += count
    }
    return bytes
  }

  close(): void {
    closeSync(this.descriptor)
  }
}

const storedBytes = (name: string, tensor: StoredTensor): number => {
  const columns = tensor.shape.at(-1)!
  const bytes = rowBytes(tensor.type, columns)
  if (bytes === null)
    throw new AppError(
      'invalid-model',
      `${tensor.file.path}: tensor ${name} has rows of ${columns} ${tensor.type} elements, which is not a whole number of blocks`
    )
  return bytes * (elements(tensor.shape) / columns)
}

const missing = (name: string, tensors: ReadonlyMap<string, StoredTensor>): AppError => {
  const paths = new Set([...tensors.values()].map(({ file }) => file.path))
  return new AppError(
    'invalid-model',
    `there is no tensor ${name} in ${[...paths].join(', ') || 'the weights'}: download it again, or use another model`
  )
}

/**
 * Checks that every tensor is present, of the right shape and inside its file, so that a bad file fails
 * at start and not in a request.
 * @throws AppError `invalid-model` naming the tensor
 */
const checkTensors = (
  expected: readonly ModelTensor[],
  tensors: ReadonlyMap<string, StoredTensor>
): void => {
  for (const { name, dims } of expected) {
    const tensor = tensors.get(name)
    if (!tensor) throw missing(name, tensors)
    if (tensor.shape.join() !== dims.join())
      throw new AppError(
        'invalid-model',
        `${tensor.file.path}: tensor ${name} has shape [${tensor.shape.join(', ')}], expected [${dims.join(', ')}]: the files do not belong together, so download the model again`
      )
    const end = tensor.offset + storedBytes(name, tensor)
    if (end > tensor.file.size)
      throw new AppError(
        'invalid-model',
        `${tensor.file.path} ends inside tensor ${name} (${tensor.file.size} of ${end} bytes); the download is incomplete, so download it again`
      )
  }
}

/** The stored rows, put into Hugging Face's order. */
const readRows = (name: string, tensor: StoredTensor): Uint8Array => {
  const bytes = tensor.file.read(tensor.offset, storedBytes(name, tensor))
  const heads = tensor.interleavedHeads
  if (heads === undefined) return bytes
  const rows = tensor.shape[0]!
  const width = bytes.length / rows
  const headRows = rows / heads
  const half = headRows / 2
  const ordered = new Uint8Array(bytes.length)
  for (let row = 0; row < rows; row++) {
    const inHead = row % headRows
    const source = row - inHead + (inHead % half) * 2 + Math.floor(inHead / half)
    ordered.set(bytes.subarray(source * width, (source + 1) * width), row * width)
  }
  return ordered
}

/**
 * @param expected the tensors of the model
 * @throws AppError `invalid-model` for a missing, ill-shaped or truncated tensor
 */
export const createWeightSource = (
  expected: readonly ModelTensor[],
  tensors: ReadonlyMap<string, StoredTensor>
): WeightSource => {
  checkTensors(expected, tensors)
  const tensorNamed = (name: string): StoredTensor => {
    const tensor = tensors.get(name)
    if (!tensor) throw missing(name, tensors)
    return tensor
  }
  return {
    float32: (name) => {
      const tensor = tensorNamed(name)
      return decodeTensor(tensor.type, readRows(name, tensor), elements(tensor.shape))
    },
  }
}

const SAMPLE_BYTES = 64 * 1024

/**
 * Adds the model's tensors to a digest: name, type, shape, and the first and last 64 KiB of each.
 * Training moves every element of a matrix, so a sample of every tensor tells two models apart at
 * a cost that does not grow with the model (some 40 MB read).
 */
export const hashTensors = (
  hash: ReturnType<typeof createHash>,
  names: readonly string[],
  tensors: ReadonlyMap<string, StoredTensor>
): void => {
  for (const name of names) {
    const tensor = tensors.get(name)!
    const length = storedBytes(name, tensor)
    hash.update(`${name} ${tensor.type} ${tensor.shape.join()}\n`)
    const head = Math.min(length, SAMPLE_BYTES)
    hash.update(tensor.file.read(tensor.offset, head))
    const tail = Math.min(length - head, SAMPLE_BYTES)
    if (tail > 0) hash.update(tensor.file.read(tensor.offset + length - tail, tail))
  }
}
