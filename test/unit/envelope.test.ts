import { describe, expect, it } from 'vitest'
import { ENVELOPE_MEMBER, withEnvelope } from '../../src/core/request/envelope.ts'
import { isAmbiguous } from '../../src/core/request/unambiguous.ts'
import { packHead, unpackHead, type RecordHead } from '../../src/core/log/record.ts'
import { createCredentials } from '../../src/proxy/access/credentials.ts'
import { createEnvelopes } from '../../src/proxy/envelopes.ts'

const envelopeOf = createEnvelopes({
  credentials: createCredentials(),
  hasOwnKey: false,
  irrelevant: ['x-own'],
})
const TYPE = ['content-type', 'application/json']
const of = (url: string, ...headers: string[]): string => {
  const has = headers.some((name, at) => at % 2 === 0 && name.toLowerCase() === 'content-type')
  return envelopeOf({ url, rawHeaders: has ? headers : [...TYPE, ...headers] })
}

describe('the envelope of a request', () => {
  it.each([
    ['user-agent', 'openai/1.0'],
    ['Content-Type', 'application/json'],
    ['content-type', 'application/json; charset=utf-8'],
    ['authorization', 'Bearer a'],
    ['x-request-id', '1'],
    ['x-amzn-trace-id', '1'],
    ['traceparent', '1'],
    ['X-Stainless-Lang', 'js'],
    ['x-promptintern-capture', 'false'],
    ['cf-ray', '1'],
    ['x-own', '1'],
    ['connection', 'close'],
  ])('does not have %s: %s', (name, value) => {
    expect(of('/v1/chat/completions', name, value)).toBe('')
  })

  it.each([
    ['openai-beta', 'a=v2'],
    ['content-type', 'text/plain'],
    ['content-encoding', 'gzip'],
    ['cf-aig-cache-ttl', '1'],
    ['x-custom', ''],
  ])('has %s: %s', (name, value) => {
    expect(of('/v1/chat/completions', name, value)).toBe(`${name}: ${value}`)
  })

  it('says where a type is missing', () => {
    expect(envelopeOf({ url: '/', rawHeaders: [] })).toBe('content-type: ')
  })

  it('has the parameters of the address that are no credentials', () => {
    expect(of('/v1/chat/completions?key=secret')).toBe('')
    expect(of('/v1/chat/completions?a=1&key=secret&b')).toBe('?a=1&b')
  })

  it('has the same text for headers in another order, and another one for other values', () => {
    const headers = ['b', '1', 'A', '2']
    expect(of('/?x', ...headers)).toBe('?x\na: 2\nb: 1')
    expect(of('/?x', 'a', '2', 'b', '1')).toBe(of('/?x', ...headers))
    const [long, other] = ['x'.repeat(600), `${'x'.repeat(599)}y`]
    expect(of('/', 'a', long)).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(of('/', 'a', long)).not.toBe(of('/', 'a', other))
  })

  it('has only what travels with a key of the operator', () => {
    const ofKeys = createEnvelopes({
      credentials: createCredentials(),
      hasOwnKey: true,
      irrelevant: [],
    })
    const rawHeaders = [...TYPE, 'x-litellm-tags', 'a', 'openai-beta', 'b']
    expect(ofKeys({ url: '/', rawHeaders })).toBe('openai-beta: b')
  })

  it('is a member of the request, which no client can send', () => {
    const request = { model: 'm', messages: [] }
    expect(withEnvelope(request, '')).toBe(request)
    expect(withEnvelope(request, '?a')).toEqual({ ...request, [ENVELOPE_MEMBER]: '?a' })
    expect(withEnvelope({ ...request, [ENVELOPE_MEMBER]: '?a' }, '')).toBeNull()
  })

  it('is kept with the head of a record', () => {
    const head: RecordHead = {
      id: '1',
      at: 1,
      tenant: 't',
      model: 'm',
      path: '/',
      streamed: false,
      status: 200,
      firstByteMs: null,
      durationMs: 1,
      route: null,
    }
    for (const more of [{}, { caller: 'c' }, { envelope: '?a' }, { caller: 'c', envelope: '?a' }])
      expect(unpackHead(packHead({ ...head, ...more }))).toEqual({ ...head, ...more })
  })
})

describe('a body', () => {
  it.each([
    '{"model":"m","n":1,"temperature":0.1,"top_p":1e-5,"x":[0,-1,2.5,1e3],"stream":true}',
    '{"x":"1234567890123456789"}',
    '{"x":9007199254740991}',
    '{"x":0.1000000000000000055}',
  ])('is read alike by all parsers: %s', (text) => {
    expect(isAmbiguous(Buffer.from(text), 'chat')).toBe(text.includes('055'))
  })

  it.each([
    '{"model":"a","model":"b"}',
    '{"Model":"a"}',
    '{"x":1234567890123456789}',
    '{"x":{"y":[12345678901234567.5]}}',
    '{"x":1e400}',
  ])('is ambiguous: %s', (text) => {
    expect(isAmbiguous(Buffer.from(text), 'chat')).toBe(true)
  })

  it('is ambiguous with bytes that are no UTF-8', () => {
    expect(isAmbiguous(Buffer.from([0x22, 0xff, 0x22]), 'chat')).toBe(true)
  })
})
