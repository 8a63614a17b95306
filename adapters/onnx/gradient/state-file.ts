/**
 * A header and a few float vectors in one file, written atomically: checkpoints and optimizer state. Layout: header length (uint32, little-endian), header as JSON padded to a
 * multiple of 4 bytes, then the vectors as little-endian float32.
 */
import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'

export interface StateFile {
  header: Record<string, unknown>
  vectors: Float32Array[]
}

const bytesOf = (data: Float32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** Renames the file to `path` after its bytes are on disk. */
export const writeStateFile = async (
  path: string,
  { header, vectors }: StateFile
): Promise<void> => {
  const described = { ...header, vectors: vectors.map(({ length }) => length) }
  const json = JSON.stringify(described)
  const text = Buffer.from(json + ' '.repeat((4 - (Buffer.byteLength(json) % 4)) % 4))
  const size = Buffer.alloc(4)
  size.writeUInt32LE(text.length)
  const draft = `${path}.${randomUUID()}`
  try {
    const file = await open(draft, 'wx')
    try {
      for (const part of [size, text, ...vectors.map(bytesOf)]) await file.appendFile(part)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
}

const parse = (bytes: Buffer): StateFile | null => {
  if (bytes.length < 4) return null
  const start = 4 + bytes.readUInt32LE(0)
  if (start > bytes.length) return null
  const header = JSON.parse(bytes.toString('utf8', 4, start)) as { vectors: number[] }
  const vectors: Float32Array[] = []
  let at = start
  for (const length of header.vectors) {
    const end = at + length * Float32Array.BYTES_PER_ELEMENT
    if (end > bytes.length) return null
    // a copy, so that the vector is aligned and owns its memory
    vectors.push(
      new Float32Array(bytes.buffer.slice(bytes.byteOffset + at, bytes.byteOffset + end))
    )
    at = end
  }
  return at === bytes.length ? { header: { ...header }, vectors } : null
}

/** @returns null when the file is missing, truncated or of another format */
export const readStateFile = async (path: string): Promise<StateFile | null> => {
  try {
    return parse(await readFile(path))
  } catch {
    return null
  }
}
