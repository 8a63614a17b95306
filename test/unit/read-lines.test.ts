import { array, assert, asyncProperty, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readLines, type Line } from '../../src/cli/read-lines.ts'

const read = async (pieces: Buffer[], maxBytes = 100): Promise<Line[]> => {
  async function* chunks(): AsyncGenerator<Buffer> {
    yield* pieces
  }
  const lines: Line[] = []
  for await (const line of readLines(chunks(), maxBytes)) lines.push(line)
  return lines
}

const textsOf = async (...pieces: (Buffer | string)[]): Promise<(string | null)[]> =>
  (await read(pieces.map((piece) => Buffer.from(piece)))).map(({ text }) => text)

/** With at most four bytes in a line. */
const limitedTextsOf = async (text: string): Promise<(string | null)[]> => {
  const lines = await read([Buffer.from(text.slice(0, 3)), Buffer.from(text.slice(3))], 4)
  return lines.map((line) => line.text)
}

describe('lines of a file', () => {
  it('end with LF or CRLF, and only there', async () => {
    expect(await textsOf('a\r\n\nb\u2028c\rd\n')).toEqual(['a', '', 'b\u2028c\rd'])
    expect(await textsOf('a\nb')).toEqual(['a', 'b'])
    expect(await textsOf('\uFEFFa\n\uFEFFb')).toEqual(['a', '\uFEFFb'])
    expect(await textsOf()).toEqual([])
  })

  it('are the same wherever the file is split', async () => {
    const file = Buffer.from('{"a":"é卡🙂"}\r\n\n{"b":1}\nlast')
    const whole = await read([file])
    expect(whole.map(({ number, bytes }) => [number, bytes])).toEqual([
      [1, 18],
      [2, 19],
      [3, 27],
      [4, file.length],
    ])
    for (let at = 0; at <= file.length; at++)
      expect(await read([file.subarray(0, at), file.subarray(at)])).toEqual(whole)
    expect(await read(Array.from(file, (byte) => Buffer.of(byte)))).toEqual(whole)
  })

  it('have no text over the limit, at which the next line begins anew', async () => {
    expect(await limitedTextsOf('1234\n12345\n1234')).toEqual(['1234', null, '1234'])
    expect(await limitedTextsOf('123456')).toEqual([null])
  })

  it('join to the file again', () =>
    assert(
      asyncProperty(array(string({ maxLength: 20 })), async (texts) => {
        const lines = texts.map((text) => text.replaceAll(/[\r\n\uFEFF]/g, ''))
        expect(await textsOf(...lines.map((line) => `${line}\n`))).toEqual(lines)
      })
    ))
})
