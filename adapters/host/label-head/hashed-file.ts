/**
 * A model as bytes that are named by their hash, so that it never changes. Layout: length of the manifest (uint32,
 * little-endian), manifest as JSON, the model's numbers.
 */
import { createHash } from 'node:crypto'
import { AppError } from '../../../src/errors.ts'

const LENGTH_BYTES = 4

interface Named {
  suffix: string | null
}

const idOf = (kind: string, bytes: Uint8Array, { suffix }: Named): string => {
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 32)
  return [kind, suffix, hash].filter((part) => part !== null).join('-')
}

/** The file's bytes and the id that they have. */
export const encodeHashed = (
  kind: string,
  manifest: Named,
  numbers: ArrayBufferView[]
): { id: string; bytes: Uint8Array } => {
  const json = Buffer.from(JSON.stringify(manifest))
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32LE(json.length)
  const parts = numbers.map((part) => new Uint8Array(part.buffer, part.byteOffset, part.byteLength))
  const bytes = Buffer.concat([length, json, ...parts])
  return { id: idOf(kind, bytes, manifest), bytes }
}

/**
 * The manifest, and where the numbers start.
 * @throws AppError `invalid-model` when the bytes do not have the id
 */
export const decodeHashed = <Manifest extends Named>(kind: string, id: string, bytes: Buffer) => {
  const parse = () => {
    try {
      const start = LENGTH_BYTES + bytes.readUInt32LE(0)
      const manifest = JSON.parse(bytes.toString('utf8', LENGTH_BYTES, start)) as Manifest
      return { manifest, start }
    } catch (cause) {
      throw new AppError('invalid-model', `${id} is damaged`, { cause })
    }
  }
  const parsed = parse()
  if (idOf(kind, bytes, parsed.manifest) !== id)
    throw new AppError('invalid-model', `${id} is damaged: its content does not match its name`)
  return parsed
}
