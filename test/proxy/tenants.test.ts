import { describe, expect, it } from 'vitest'
import { createTenants } from '../../src/proxy/tenants.ts'

const create = (options: Partial<Parameters<typeof createTenants>[0]> = {}) =>
  createTenants({ secret: 's', ttlMs: 1000, maxEntries: 2, now: () => 0, ...options })

describe('a tenant', () => {
  it('is a keyed hash of the credential, in either header', () => {
    const tenants = create()
    const tenant = tenants.of({ authorization: 'Bearer sk-1' })
    expect(tenant).toMatch(/^[0-9a-f]{32}$/)
    expect(tenants.of({ authorization: 'Bearer sk-1' })).toBe(tenant)
    expect(tenants.of({ authorization: 'Bearer sk-2' })).not.toBe(tenant)
    expect(tenants.of({ 'api-key': 'sk-1' })).not.toBe(tenants.of({ 'api-key': 'sk-2' }))
    expect(create({ secret: 'other' }).of({ authorization: 'Bearer sk-1' })).not.toBe(tenant)
  })

  it('stays the same when its hash has been forgotten, and for the longest credential', () => {
    const tenants = create()
    const keys = ['a', 'b', 'c', 'd', 'x'.repeat(5000)]
    const first = keys.map((key) => tenants.of({ authorization: key }))
    expect(new Set(first).size).toBe(keys.length)
    expect(keys.map((key) => tenants.of({ authorization: key }))).toEqual(first)
  })

  it('is accepted only after the upstream has answered it with 2xx', () => {
    const tenants = create()
    expect(tenants.accepted('a')).toBe(false)
    for (const status of [400, 401, 403, 429, 500, 302]) tenants.observe('a', status)
    expect(tenants.accepted('a')).toBe(false)
    tenants.observe('a', 200)
    expect(tenants.accepted('a')).toBe(true)
    expect(tenants.accepted('b')).toBe(false)
  })

  it('is forgotten after the time to live, and renewed by every 2xx', () => {
    let time = 0
    const tenants = create({ now: () => time })
    tenants.observe('a', 200)
    time = 999
    expect(tenants.accepted('a')).toBe(true)
    tenants.observe('a', 201)
    time = 1998
    expect(tenants.accepted('a')).toBe(true)
    time = 1999
    expect(tenants.accepted('a')).toBe(false)
  })

  it('is not taken for accepted when the clock is set back, and is again when it catches up', () => {
    let time = 10_000
    const tenants = createTenants({ secret: 's', ttlMs: 1000, maxEntries: 9, now: () => time })
    tenants.observe('tenant', 200)
    time = 0
    expect(tenants.accepted('tenant')).toBe(false)
    time = 10_500
    expect(tenants.accepted('tenant')).toBe(true)
    time = 1e12
    expect(tenants.accepted('tenant')).toBe(false)
  })

  it('is forgotten at once when the upstream refuses the credential', () => {
    const tenants = create()
    tenants.observe('a', 200)
    tenants.observe('a', 429)
    expect(tenants.accepted('a')).toBe(true)
    tenants.observe('a', 401)
    expect(tenants.accepted('a')).toBe(false)
  })

  it('makes room for others: the memory is bounded', () => {
    const tenants = create()
    for (const tenant of ['a', 'b', 'c']) tenants.observe(tenant, 200)
    expect(['a', 'b', 'c'].filter((tenant) => tenants.accepted(tenant))).toEqual(['b', 'c'])
  })
})
