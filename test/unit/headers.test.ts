import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { headersForClient } from '../../src/proxy/headers.ts'

const text = fc.string({
  unit: fc.integer({ min: 0x21, max: 0xff }).map((c) => String.fromCharCode(c)),
})
const headerList = fc
  .array(fc.tuple(fc.constantFrom('x-a', 'X-Request-Id', 'content-type', 'Via'), text))
  .map((pairs) => pairs.flat())

describe('headersForClient', () => {
  it('keeps names, values, order and case', () => {
    fc.assert(
      fc.property(headerList, (headers) => {
        expect(headersForClient(headers, []).raw).toEqual(headers)
      })
    )
  })

  it('drops what is meant for one connection, and says what the log must know', () => {
    const headers = ['Connection', 'close', 'Content-Type', 'text/x', 'content-encoding', 'GZIP']
    expect(headersForClient([...headers, 'content-length', '3'], ['x-b', 'c'])).toEqual({
      raw: [...headers.slice(2), 'content-length', '3', 'x-b', 'c'],
      contentType: 'text/x',
      contentEncoding: 'gzip',
      hasLength: true,
    })
  })
})
