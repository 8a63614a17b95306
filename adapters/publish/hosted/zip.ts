/**
 * A zip archive of a few files, without compression: weights hardly get smaller. PKWARE's APPNOTE 6.3.10, sections
 * 4.3.7, 4.3.12 and 4.3.16; no file of 4 GiB or more.
 */
import { crc32 } from 'node:zlib'

const LOCAL = 0x04034b50
const CENTRAL = 0x02014b50
const END = 0x06054b50
const VERSION = 20
/** 1 January 1980: the same files give the same archive. */
const DATE = 0x21

/** Fields that both headers of a file have. */
const shared = (name: Buffer, content: Uint8Array): Buffer => {
  const fields = Buffer.alloc(26)
  fields.writeUInt16LE(VERSION, 0)
  fields.writeUInt16LE(DATE, 8)
  fields.writeUInt32LE(crc32(content), 10)
  fields.writeUInt32LE(content.length, 14)
  fields.writeUInt32LE(content.length, 18)
  fields.writeUInt16LE(name.length, 22)
  return fields
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

/** @param files names of ASCII with their contents */
export const zipOf = (files: readonly (readonly [string, Uint8Array])[]): Buffer => {
  const parts: Uint8Array[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const [path, content] of files) {
    const name = Buffer.from(path)
    const fields = shared(name, content)
    const local = Buffer.concat([uint32(LOCAL), fields, name])
    const place = Buffer.alloc(14)
    place.writeUInt32LE(offset, 10)
    const made = Buffer.from([VERSION, 0])
    directory.push(Buffer.concat([uint32(CENTRAL), made, fields, place, name]))
    parts.push(local, content)
    offset += local.length + content.length
  }
  const central = Buffer.concat(directory)
  const end = Buffer.alloc(18)
  end.writeUInt16LE(files.length, 4)
  end.writeUInt16LE(files.length, 6)
  end.writeUInt32LE(central.length, 8)
  end.writeUInt32LE(offset, 12)
  return Buffer.concat([...parts, central, uint32(END), end])
}
