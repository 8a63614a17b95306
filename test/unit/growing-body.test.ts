import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GrowingBody } from '../../src/proxy/client/receive.ts'

describe('a body that grows', () => {
  it('is what came, in its order', () => {
    const size = fc.oneof(fc.nat(20), fc.integer({ min: 3000, max: 20_000 }))
    fc.assert(
      fc.property(fc.array(size, { maxLength: 80 }), fc.nat(200_000), (sizes, maxBytes) => {
        const chunks = sizes.map((length, index) => Buffer.alloc(length, index + 1))
        const body = new GrowingBody(maxBytes)
        for (const chunk of chunks) body.add(chunk)
        expect(body.take().equals(Buffer.concat(chunks))).toBe(true)
        expect(body.take()).toHaveLength(0)
      }),
      { numRuns: 200 }
    )
  })

  it('does not keep a chunk of the connection for each byte', () => {
    const body = new GrowingBody(100_000)
    const chunk = Buffer.from('x')
    for (let index = 0; index < 20_000; index++) body.add(chunk)
    chunk.fill('y')
    // the first ones are kept as they are, and say so here
    const text = body.take().toString()
    expect(text.replace(/x+$/, '').length).toBeLessThan(100)
    expect(text).toHaveLength(20_000)
  })
})
