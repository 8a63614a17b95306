import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headersForClient } from '../../src/proxy/headers.ts'

const wire = (headers: string[]): Buffer => Buffer.from(headers.join('\r\n'), 'latin1')

/** Views of one piece of memory, as a parser makes them from what came in one read. */
const inOnePiece = (headers: string[]): Buffer[] => {
  const whole = wire(headers)
  let at = 0
  return headers.map((text) => {
    const part = whole.subarray(at, at + text.length)
    at += text.length + 2
    return part
  })
}

const apart = (headers: string[]): Buffer[] =>
  headers.map((text) => Buffer.from(new Uint8Array(Buffer.from(text, 'latin1'))))

const text = fc.string({
  unit: fc.integer({ min: 0x21, max: 0xff }).map((c) => String.fromCharCode(c)),
})
const headerList = fc
  .array(fc.tuple(fc.constantFrom('x-a', 'X-Request-Id', 'content-type', 'Via'), text))
  .map((pairs) => pairs.flat())

describe('headersForClient', () => {
  it('keeps names, values, order and case, wherever their bytes lie', () => {
    fc.assert(
      fc.property(headerList, fc.nat(), (headers, cut) => {
        const at = cut % (headers.length + 1)
        const mixed = [...inOnePiece(headers.slice(0, at)), ...inOnePiece(headers.slice(at))]
        for (const parts of [inOnePiece(headers), apart(headers), mixed])
          expect(headersForClient(parts, []).raw).toEqual(headers)
      })
    )
  })

  it('drops what is meant for one connection, and says what the log must know', () => {
    const headers = ['Connection', 'close', 'Content-Type', 'text/x', 'content-encoding', 'GZIP']
    expect(headersForClient(inOnePiece([...headers, 'content-length', '3']), ['x-b', 'c'])).toEqual(
      {
        raw: [...headers.slice(2), 'content-length', '3', 'x-b', 'c'],
        contentType: 'text/x',
        contentEncoding: 'gzip',
        hasLength: true,
      }
    )
  })
})
