import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCredentials } from '../../src/proxy/access/credentials.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'

const create = (options: Partial<Parameters<typeof createTenants>[0]> = {}) =>
  createTenants({ secret: 's', ttlMs: 1000, maxEntries: 2, now: () => 0, ...options })

/** Headers with credentials, of providers and of gateways before them. */
const PLACES = [
  'authorization',
  'api-key',
  'x-api-key',
  'x-goog-api-key',
  'cookie',
  'x-amz-security-token',
  'ocp-apim-subscription-key',
  'x-portkey-api-key',
  'helicone-auth',
  'cf-aig-authorization',
  'cf-access-client-id',
  'cf-access-client-secret',
  'x-auth-token',
  'x-acme-token',
  'x-functions-key',
  'signature',
]

const bearer = 'Bearer sk-1'

const hash = (text: string): string =>
  createHmac('sha256', 's').update(text).digest('hex').slice(0, 32)

/** Of an employee, where the upstream takes names that are configured. */
const tenantOf = (names: string[], employee: string): string =>
  create({ credentials: createCredentials(names) }).of({
    rawHeaders: ['authorization', bearer, 'x-employee', employee],
  })

describe('a tenant', () => {
  it('is as before where there is an authorization or an api-key alone', () => {
    const tenants = create()
    expect(tenants.of({ rawHeaders: ['Authorization', bearer] })).toBe(hash(bearer))
    expect(tenants.of({ rawHeaders: ['Api-Key', 'sk-1'] })).toBe(hash('sk-1'))
    const harmless = ['authorization', bearer, 'cookie', '__cf_bm=1; AWSALB=2; _ga=3']
    expect(tenants.of({ rawHeaders: harmless, url: '/v1?api-version=1' })).toBe(hash(bearer))
  })

  it('is another one for each set of credentials, whatever their place, number and order', () => {
    const tenants = create({ maxEntries: 100 })
    const sets: { rawHeaders: string[]; url?: string }[] = [
      { rawHeaders: [] },
      // without any cookie there is no cookie
      ...PLACES.flatMap((name) =>
        ['a', 'b', 'a b', '', '0:']
          .filter((value) => name !== 'cookie' || value !== '')
          .map((value) => ({ rawHeaders: [name, value] }))
      ),
      { rawHeaders: ['api-key', 'a', 'x-api-key', 'b'] },
      { rawHeaders: ['api-key', 'b', 'x-api-key', 'a'] },
      { rawHeaders: ['authorization', 'a b', 'authorization', 'c'] },
      { rawHeaders: ['authorization', 'c', 'authorization', 'a b'] },
      { rawHeaders: ['authorization', 'a b, c'] },
      { rawHeaders: ['authorization', 'a b', 'openai-organization', 'o'] },
      { rawHeaders: ['authorization', 'a b'], url: '/v1?key=o' },
      { rawHeaders: [], url: '/v1?key=o' },
      { rawHeaders: [], url: '/v1?key=o&key=p' },
      { rawHeaders: [], url: '/v1?key=p&key=o' },
      { rawHeaders: [], url: '/v1?%6Bey=a&sig=b' },
      { rawHeaders: [], url: '/v1?a=1;token=o' },
      { rawHeaders: [], url: '/v1?X-Amz-Signature=o' },
    ]
    expect(new Set(sets.map(tenants.of)).size).toBe(sets.length)
    const order = ['x-api-key', 'b', 'api-key', 'a']
    expect(tenants.of({ rawHeaders: order })).toBe(
      tenants.of({ rawHeaders: ['API-Key', 'a', 'X-Api-Key', 'b'] })
    )
  })

  it('knows a place of its own only where it is configured', () => {
    expect(tenantOf([], 'ann')).toBe(tenantOf([], 'bob'))
    expect(tenantOf(['x-employee'], 'ann')).not.toBe(tenantOf(['x-employee'], 'bob'))
  })

  it('counts only what the upstream gets to see', () => {
    const tenants = create()
    const seen = ['authorization', bearer]
    for (const unseen of [
      ['proxy-authorization', 'Basic x'],
      ['x-api-key', 'other', 'connection', 'close, X-Api-Key'],
    ])
      expect(tenants.of({ rawHeaders: [...seen, ...unseen] })).toBe(
        tenants.of({ rawHeaders: seen })
      )
  })

  it('has no proof without a credential, with an empty one, or with the choice of an account', () => {
    const tenants = create()
    const hasProof = (...rawHeaders: string[]) => tenants.hasProof({ rawHeaders })
    for (const headers of [
      [],
      ['authorization', ''],
      ['authorization', 'Bearer'],
      ['authorization', 'Basic '],
      ['x-api-key', ''],
      ['cookie', '_ga=1'],
      ['openai-organization', 'org-1'],
      ['proxy-authorization', 'Basic eDp5'],
      ['x-request-id', '1', 'idempotency-key', '2'],
    ])
      expect([headers, hasProof(...headers)]).toEqual([headers, false])
    for (const name of PLACES) expect([name, hasProof(name, 'a')]).toEqual([name, true])
    expect(tenants.hasProof({ rawHeaders: [], url: '/v1/chat/completions?key=' })).toBe(false)
    expect(tenants.hasProof({ rawHeaders: [], url: '/v1/chat/completions?key=a' })).toBe(true)
  })

  it('is not accepted again by a stream that began before its key was refused', () => {
    let time = 10_000
    const tenants = create({ now: () => time })
    tenants.observe('a', 200)
    tenants.observe('a', 401)
    time = 10_100
    tenants.observe('a', 200, 200)
    expect(tenants.accepted('a')).toBe(false)
    tenants.observe('a', 200, 50)
    expect(tenants.accepted('a')).toBe(true)
  })

  it('is accepted again although a refusal lies ahead, since the clock was set back', () => {
    let time = 10_000
    const tenants = create({ now: () => time })
    tenants.observe('a', 401)
    time = 5_000
    tenants.observe('a', 200)
    expect(tenants.accepted('a')).toBe(true)
    // and a slow answer takes nothing from a younger one
    tenants.observe('a', 200, 900)
    time = 5_999
    expect(tenants.accepted('a')).toBe(true)
  })

  it('is not forgotten for strangers who are refused', () => {
    const tenants = create()
    tenants.observe('a', 200)
    for (let i = 0; i < 100; i++) tenants.observe(`stranger ${i}`, 401)
    expect(tenants.accepted('a')).toBe(true)
  })

  it('is a keyed hash of the credential, in either header', () => {
    const tenants = create()
    const tenant = tenants.of({ rawHeaders: ['authorization', 'Bearer sk-1'] })
    expect(tenant).toMatch(/^[0-9a-f]{32}$/)
    expect(tenants.of({ rawHeaders: ['authorization', 'Bearer sk-1'] })).toBe(tenant)
    expect(tenants.of({ rawHeaders: ['authorization', 'Bearer sk-2'] })).not.toBe(tenant)
    expect(tenants.of({ rawHeaders: ['api-key', 'sk-1'] })).not.toBe(
      tenants.of({ rawHeaders: ['api-key', 'sk-2'] })
    )
    expect(
      create({ secret: 'other' }).of({ rawHeaders: ['authorization', 'Bearer sk-1'] })
    ).not.toBe(tenant)
  })

  it('stays the same when its hash has been forgotten, and for the longest credential', () => {
    const tenants = create()
    const keys = ['a', 'b', 'c', 'd', 'x'.repeat(5000)]
    const first = keys.map((key) => tenants.of({ rawHeaders: ['authorization', key] }))
    expect(new Set(first).size).toBe(keys.length)
    expect(keys.map((key) => tenants.of({ rawHeaders: ['authorization', key] }))).toEqual(first)
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
