import { describe, expect, it } from 'vitest'
import { createCredentials } from '../../src/proxy/access/credentials.ts'

const { masked, withoutParameters } = createCredentials(['employee'])
const KEY = `sk-${'a1'.repeat(12)}`

describe('a request target', () => {
  it.each([
    ['/v1/chat/completions', '/v1/chat/completions'],
    ['/v1/chat/completions?api-version=1', '/v1/chat/completions?api-version=1'],
    ['/v1?api-key=x&a=1', '/v1?api-key=[CREDENTIAL]&a=1'],
    ['/v1?a=1&API_KEY=x', '/v1?a=1&API_KEY=[CREDENTIAL]'],
    ['/v1?%6Bey=x', '/v1?%6Bey=[CREDENTIAL]'],
    ['/v1?a=1;token=x', '/v1?a=1;token=[CREDENTIAL]'],
    ['/v1?a?access_token=x', '/v1?a?access_token=[CREDENTIAL]'],
    ['/v1?a=1#key=x', '/v1?a=1#key=[CREDENTIAL]'],
    ['/v1?employee=x&sig=y=z', '/v1?employee=[CREDENTIAL]&sig=[CREDENTIAL]'],
    ['/v1?X-Amz-Credential=x', '/v1?X-Amz-Credential=[CREDENTIAL]'],
    [`/v1?a=${KEY}`, '/v1?a=[KEY_1]'],
    ['http://user:x@host/v1', 'http://[CREDENTIAL]@host/v1'],
    ['/v1?%zz=1&key', '/v1?%zz=1&key=[CREDENTIAL]'],
  ])('is stored without the credentials of %s', (target, stored) => {
    expect(masked(target)).toBe(stored)
  })

  it.each([
    ['/v1', '/v1'],
    ['/v1?', '/v1?'],
    ['/v1?a=1&a=2', '/v1?a=1&a=2'],
    ['/v1?key=x', '/v1'],
    ['/v1?a=1&Key=x&b=%20', '/v1?a=1&b=%20'],
    ['/v1?a=1;key=x&b=2', '/v1?b=2'],
  ])('goes without those of %s where an upstream has a key of its own', (target, sent) => {
    expect(withoutParameters(target)).toBe(sent)
  })
})
