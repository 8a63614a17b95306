import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { zipOf } from '../../adapters/publish/hosted/zip.ts'

/** By the directory at the end, as readers of archives do. */
const unzip = (archive: Buffer): [string, Buffer, boolean][] => {
  const end = archive.length - 22
  expect(archive.readUInt32LE(end)).toBe(0x06054b50)
  let at = archive.readUInt32LE(end + 16)
  return Array.from({ length: archive.readUInt16LE(end + 10) }, () => {
    expect(archive.readUInt32LE(at)).toBe(0x02014b50)
    const [sum, size] = [archive.readUInt32LE(at + 16), archive.readUInt32LE(at + 24)]
    const length = archive.readUInt16LE(at + 28)
    const name = archive.subarray(at + 46, at + 46 + length)
    const local = archive.readUInt32LE(at + 42)
    expect(archive.readUInt32LE(local)).toBe(0x04034b50)
    expect(archive.subarray(local + 30, local + 30 + length)).toEqual(name)
    const content = archive.subarray(local + 30 + length, local + 30 + length + size)
    at += 46 + length
    return [name.toString(), content, crc32(content) === sum]
  })
}

describe('zipOf', () => {
  it('makes an archive that has the files, each with its sum', () => {
    const weights = Buffer.from(Array.from({ length: 5000 }, (_, at) => at % 251))
    const files = [
      ['adapter_config.json', Buffer.from('{"r":4}')],
      ['empty', Buffer.alloc(0)],
    ]
    const all = [...files, ['adapter_model.safetensors', weights]] as [string, Buffer][]
    expect(unzip(zipOf(all))).toEqual(all.map(([name, content]) => [name, content, true]))
  })

  it('makes equal archives of equal files', () => {
    const files = [['a', Buffer.from('1')]] as const
    expect(zipOf(files)).toEqual(zipOf(files))
  })
})
