import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { closeFrame, FrameReader } from '../../src/proxy/upgrade/tunnel.ts'

/** The second byte of a frame's head and the length behind it, by the table of RFC 6455 §5.2. */
const lengthOf = (bytes: number): number[] => {
  const length = Buffer.alloc(8)
  length.writeBigUInt64BE(BigInt(bytes))
  if (bytes < 126) return [bytes]
  return bytes < 65_536 ? [126, ...length.subarray(6)] : [127, ...length]
}

const frameOf = (bytes: number, isMasked: boolean): Buffer => {
  const [second = 0, ...length] = lengthOf(bytes)
  const head = Buffer.from([0x82, second + (isMasked ? 0x80 : 0), ...length])
  return Buffer.concat([head, Buffer.alloc(isMasked ? 4 : 0, 0x7f), Buffer.alloc(bytes, 0x81)])
}

/** Lengths that are written in one, two and eight bytes. */
const LENGTHS = [0, 1, 125, 126, 127, 65_535, 65_536, 70_000]

/** Positions at which the reader is between two frames, where it reads pieces of these lengths. */
const boundaries = (bytes: Buffer, lengths: readonly number[]): number[] => {
  const reader = new FrameReader()
  const found: number[] = []
  let from = 0
  for (const length of [...lengths, bytes.length]) {
    const chunk = bytes.subarray(from, from + length)
    for (let at = 0; at < chunk.length;) {
      at = reader.toFrameEnd(chunk, at)
      if (reader.isBetween) found.push(from + at)
    }
    from += chunk.length
  }
  return found
}

const frames = fc.array(fc.tuple(fc.constantFrom(...LENGTHS), fc.boolean()), { maxLength: 6 })

describe('the reader of frames', () => {
  it('finds the end of each, in whatever pieces they come', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(40), { maxLength: 20 }), (written, pieces) => {
        const all = written.map(([bytes, mask]) => frameOf(bytes, mask))
        const ends = all.map((_, at) => all.slice(0, at + 1).reduce((sum, f) => sum + f.length, 0))
        expect(boundaries(Buffer.concat(all), pieces)).toEqual(ends)
      }),
      { numRuns: 60 }
    )
  })

  it.each(LENGTHS)('finds it where every byte comes alone, with %d bytes', (bytes) => {
    const frame = frameOf(bytes, false)
    const reader = new FrameReader()
    for (const [at, byte] of frame.entries()) {
      expect(reader.isBetween).toBe(at === 0)
      reader.read(Buffer.from([byte]))
    }
    expect(reader.isBetween).toBe(true)
  })

  it('never ends a frame whose length no one can send', () => {
    const reader = new FrameReader()
    reader.read(Buffer.from([0x82, 127, ...Array<number>(8).fill(0xff), 1, 2, 3]))
    expect(reader.isBetween).toBe(false)
  })
})

describe('a close frame', () => {
  it('is unmasked, and has its code alone', () => {
    expect(closeFrame(1008)).toEqual(Buffer.from([0x88, 0x02, 0x03, 0xf0]))
    expect(boundaries(closeFrame(1001), [])).toEqual([4])
  })
})
