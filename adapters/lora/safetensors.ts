/**
 * The float32 part of the safetensors format, as loras need it: an 8-byte header length, a JSON
 * header, raw little-endian data. https://github.com/huggingface/safetensors#format
 */
import { AppError } from '../../src/errors.ts'

export interface NamedTensor {
  name: string
  dims: number[]
  data: Float32Array
}

interface HeaderEntry {
  dtype: string
  shape: number[]
  data_offsets: [number, number]
}

type Header = Record<string, HeaderEntry> & { __metadata__?: Record<string, string> }

const HEADER_LENGTH_BYTES = 8

export const encodeSafetensors = (
  tensors: NamedTensor[],
  metadata: Record<string, string> = {}
): Uint8Array => {
  const header: Record<string, HeaderEntry | Record<string, string>> = {
    __metadata__: { format: 'pt', ...metadata },
  }
  let offset = 0
  for (const { name, dims, data } of tensors) {
    header[name] = { dtype: 'F32', shape: dims, data_offsets: [offset, offset + data.byteLength] }
    offset += data.byteLength
  }
  const json = JSON.stringify(header)
  const text = Buffer.from(json + ' '.repeat((8 - (Buffer.byteLength(json) % 8)) % 8))
  const file = Buffer.alloc(HEADER_LENGTH_BYTES + text.length + offset)
  file.writeBigUInt64LE(BigInt(text.length))
  text.copy(file, HEADER_LENGTH_BYTES)
  let at = HEADER_LENGTH_BYTES + text.length
  for (const { data } of tensors) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at)
    at += data.byteLength
  }
  return file
}

const parseHeader = (bytes: Uint8Array, source: string) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const length = bytes.length < HEADER_LENGTH_BYTES ? Infinity : Number(view.getBigUint64(0, true))
  const start = HEADER_LENGTH_BYTES + length
  if (start > bytes.length) throw new AppError('invalid-model', `${source} is truncated`)
  try {
    const text = new TextDecoder().decode(bytes.subarray(HEADER_LENGTH_BYTES, start))
    const { __metadata__: metadata = {}, ...entries } = JSON.parse(text) as Header
    return { start, metadata, entries }
  } catch (cause) {
    throw new AppError('invalid-model', `${source} has a damaged header`, { cause })
  }
}

/**
 * The file's metadata, and all its tensors, copied out of it.
 * @throws AppError `invalid-model` when it is truncated, damaged or not float32
 */
export const decodeSafetensors = (bytes: Uint8Array, source: string) => {
  const { start, metadata, entries } = parseHeader(bytes, source)
  const tensors = new Map<string, NamedTensor>()
  for (const [name, entry] of Object.entries(entries)) {
    if (entry.dtype !== 'F32')
      throw new AppError('invalid-model', `${source}: ${name} is ${entry.dtype}, not F32`)
    const [from, to] = entry.data_offsets
    const elements = entry.shape.reduce((product, dim) => product * dim, 1)
    if (to - from !== elements * 4 || start + to > bytes.length)
      throw new AppError('invalid-model', `${source} is truncated or damaged at ${name}`)
    const at = bytes.byteOffset + start
    // a copy, so that the vector is aligned and does not hold the file
    const data = new Float32Array(bytes.buffer.slice(at + from, at + to))
    tensors.set(name, { name, dims: entry.shape, data })
  }
  return { metadata, tensors }
}
