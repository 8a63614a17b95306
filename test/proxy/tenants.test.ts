import { createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { createCredentials } from '../../src/proxy/access/credentials.ts'
import { acceptanceOf, createTenants } from '../../src/proxy/access/tenants.ts'

const create = (options: Partial<Parameters<typeof createTenants>[0]> = {}) =>
  createTenants({ secret: 's', ttlMs: 1000, maxEntries: 2, now: () => 0, ...options })

/** Headers with credentials, of providers and of gateways before them. */
const PLACES = `
  authorization api-key x-api-key x-goog-api-key cookie x-amz-security-token
  ocp-apim-subscription-key x-portkey-api-key helicone-auth cf-aig-authorization
  cf-access-client-id cf-access-client-secret x-auth-token x-acme-token x-functions-key
  signature
`
  .trim()
  .split(/\s+/)

const bearer = 'Bearer sk-1'

const hash = (text: string): string =>
  createHmac('sha256', 's').update(text).digest('hex').slice(0, 32)

const tenantOf = (...rawHeaders: string[]): string => create().identify({ rawHeaders }).tenant

const withNames = (names: string[], employee: string): string =>
  create({ credentials: createCredentials(names) }).identify({
    rawHeaders: ['authorization', bearer, 'x-employee', employee],
  }).tenant

const hasProof = (rawHeaders: string[], url?: string): boolean =>
  create().identify({ rawHeaders, ...(url === undefined ? {} : { url }) }).hasProof

describe('a tenant', () => {
  it('is a keyed hash of the credentials and their places', () => {
    const text = `13:authorization${bearer.length}:${bearer}`
    expect(tenantOf('Authorization', bearer)).toBe(hash(text))
    expect(tenantOf('Api-Key', 'sk-1')).toBe(hash('7:api-key4:sk-1'))
    const rawHeaders = ['authorization', bearer, 'cookie', '__cf_bm=1; AWSALB=2; _ga=3']
    expect(create().identify({ rawHeaders, url: '/v1?api-version=1' }).tenant).toBe(hash(text))
    expect(create({ secret: 't' }).identify({ rawHeaders }).tenant).not.toBe(hash(text))
  })

  it('differs for each set of credentials, whatever their place, number and order', () => {
    const tenants = create()
    const sets: { rawHeaders: string[]; url?: string }[] = [
      { rawHeaders: [] },
      // an empty cookie header is the same as none
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
      ...[
        '/v1?key=o',
        '/v1?key=o&key=p',
        '/v1?key=p&key=o',
        '/v1?%6Bey=a&sig=b',
        '/v1?a=1;token=o',
        '/v1?X-Amz-Signature=o',
      ].map((url) => ({ rawHeaders: [], url })),
    ]
    const identified = sets.map((set) => tenants.identify(set).tenant)
    expect(new Set(identified).size).toBe(sets.length)
    // also when their hashes are read from the cache
    expect(sets.map((set) => tenants.identify(set).tenant)).toEqual(identified)
    expect(tenantOf('x-api-key', 'b', 'api-key', 'a')).toBe(
      tenantOf('API-Key', 'a', 'X-Api-Key', 'b')
    )
  })

  it('stays the same when its hash was evicted, and for the longest credential', () => {
    const tenants = create()
    const keys = ['x'.repeat(5000), ...Array.from({ length: 1100 }, (_, i) => `key ${i}`)]
    const all = () =>
      keys.map((key) => tenants.identify({ rawHeaders: ['authorization', key] }).tenant)
    const first = all()
    expect(new Set(first).size).toBe(keys.length)
    expect(all()).toEqual(first)
  })

  it('depends on a configured name only where it is configured', () => {
    expect(withNames([], 'ann')).toBe(withNames([], 'bob'))
    expect(withNames(['x-employee'], 'ann')).not.toBe(withNames(['x-employee'], 'bob'))
  })

  it.each([
    [['proxy-authorization', 'Basic x']],
    [['x-api-key', 'other', 'connection', 'close, X-Api-Key']],
  ])('does not depend on %j, which the upstream does not receive', (unseen) => {
    expect(tenantOf('authorization', bearer, ...unseen)).toBe(tenantOf('authorization', bearer))
  })
})

describe('a proof', () => {
  it.each([
    [[]],
    [['authorization', '']],
    [['authorization', 'Bearer']],
    [['authorization', 'Basic ']],
    [['x-api-key', '']],
    [['cookie', '_ga=1']],
    [['openai-organization', 'org-1']],
    [['proxy-authorization', 'Basic eDp5']],
    [['x-request-id', '1', 'idempotency-key', '2']],
  ])('is not in %j', (headers) => {
    expect(hasProof(headers)).toBe(false)
  })

  it('is in every place of a credential', () => {
    for (const name of PLACES) expect([name, hasProof([name, 'a'])]).toEqual([name, true])
    expect(hasProof([], '/v1/chat/completions?key=')).toBe(false)
    expect(hasProof([], '/v1/chat/completions?key=a')).toBe(true)
  })
})

describe('an acceptance', () => {
  /** Steps: time, status of an answer (`-` for none), age of its request, whether it is accepted then. */
  it.each([
    [
      'needs an answer of 2xx',
      ['0 199 0 no', '0 300 0 no', '0 302 0 no', '0 404 0 no', '0 429 0 no', '0 200 0 yes'],
    ],
    [
      'ends where the model is not found, also against a stream that began before',
      ['1000 200 0 yes', '1000 404 0 no', '1100 200 101 no', '1100 200 100 yes'],
    ],
    ['is given by 299, too', ['0 299 0 yes']],
    [
      'lasts for the time to live, from its latest answer',
      ['0 200 0 yes', '999 201 0 yes', '1998 - 0 yes', '1999 - 0 no'],
    ],
    [
      'ends with a refusal, and with no other answer',
      ['0 200 0 yes', '0 199 0 yes', '0 300 0 yes', '0 429 0 yes', '0 401 0 no'],
    ],
    [
      'is not renewed by a stream that began before the refusal, but by one that began with it',
      ['1000 200 0 yes', '1000 401 0 no', '1100 200 200 no', '1100 200 101 no', '1100 200 100 yes'],
    ],
    ['is not made older by a slow answer', ['500 200 0 yes', '500 200 900 yes', '1499 - 0 yes']],
    [
      'is renewed in spite of a refusal in the future, since the clock was set back',
      ['9000 401 0 no', '5000 200 0 yes'],
    ],
    [
      'of the future counts only when the clock catches up',
      ['9000 200 0 yes', '8999 - 0 no', '0 - 0 no', '9500 - 0 yes', '99999 - 0 no'],
    ],
    ['of the future is replaced', ['9000 200 0 yes', '0 200 0 yes', '999 - 0 yes', '1000 - 0 no']],
  ])('%s', (_, steps) => {
    let time = 0
    const tenants = create({ now: () => time })
    expect(tenants.accepted('a', 'm')).toBe(false)
    for (const step of steps) {
      const [at, status, ageMs, accepted] = step.split(' ')
      time = Number(at)
      if (status !== '-') tenants.observe('a', 'm', Number(status), Number(ageMs))
      expect([step, tenants.accepted('a', 'm')]).toEqual([step, accepted === 'yes'])
      expect(tenants.accepted('b', 'm')).toBe(false)
    }
  })

  it.each([400, 401, 402, 403])('ends with %i', (status) => {
    const tenants = create()
    tenants.observe('a', 'm', 200)
    tenants.observe('a', 'other', status)
    expect(tenants.accepted('a', 'm')).toBe(false)
  })

  it('is kept while refused strangers come, and evicted by other accepted ones', () => {
    let time = 0
    const tenants = create({ now: () => time })
    tenants.observe('a', 'm', 200)
    for (let i = 0; i < 100; i++) tenants.observe(`stranger ${i}`, 'm', 401)
    time = 999
    expect(tenants.accepted('a', 'm')).toBe(true)
    for (const tenant of ['b', 'c']) tenants.observe(tenant, 'm', 200)
    expect(['a', 'b', 'c'].filter((tenant) => tenants.accepted(tenant, 'm'))).toEqual(['b', 'c'])
  })

  it('is that of one model: a success of another one does not give it back', () => {
    const tenants = create()
    const accepted = () => ['a', 'b'].filter((model) => tenants.accepted('t', model))
    for (const model of ['a', 'b']) tenants.observe('t', model, 200)
    expect(accepted()).toEqual(['a', 'b'])
    tenants.observe('t', 'a', 403)
    expect(accepted()).toEqual([])
    tenants.observe('t', 'b', 200)
    expect(accepted()).toEqual(['b'])
    tenants.observe('t', 'a', 404)
    expect(accepted()).toEqual(['b'])
    tenants.observe('t', 'a', 200)
    expect(accepted()).toEqual(['a', 'b'])
  })

  it('is kept for so many models of a tenant, and made-up names displace no other tenant', () => {
    const tenants = create({ maxEntries: 20 })
    tenants.observe('t', 'a', 200)
    tenants.observe('stranger', 'a', 200)
    const names = Array.from({ length: 100 }, (_, i) => `${'x'.repeat(300_000)} ${i}`)
    for (const name of names) tenants.observe('stranger', name, 200)
    expect(tenants.accepted('t', 'a')).toBe(true)
    expect(tenants.accepted('stranger', 'a')).toBe(false)
    expect(names.filter((name) => tenants.accepted('stranger', name))).toEqual(names.slice(-16))
  })

  it('is that of one upstream', () => {
    const acceptances = [null, 'east', 'west'].map((upstream) => acceptanceOf('a', upstream))
    expect(new Set(acceptances).size).toBe(3)
    expect(acceptances[0]).toBe('a')
  })
})
