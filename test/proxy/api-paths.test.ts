/** Only the API's own paths reach a provider. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startHarness, type Harness } from '../kit/proxy/harness.ts'

let harness: Harness
beforeEach(async () => {
  harness = await startHarness()
})
afterEach(() => harness.close())

const get = async (path: string) => {
  const { status, body } = await harness.send(null, { method: 'GET', path })
  return { status, text: body.toString() }
}

describe('a path', () => {
  it.each([
    '/v1',
    '/v1/',
    '/v1?x=1',
    '/v1/models',
    '/v1//a',
    '/openai/deployments/x/models?api-version=1',
    'http://example.com/v1/models',
    '/v1/models/../files',
    '/v1/files/a%2Fb..c?after=../..',
  ])('of the API is forwarded: %s', async (path) => {
    expect((await get(path)).status).toBe(200)
    expect(harness.upstream.requests).toHaveLength(1)
  })

  it.each([
    '/docs',
    '/favicon.ico',
    '/administration',
    '/v10',
    '/v1x/models',
    '/.env',
    '//v1/models',
    'http://example.com/v1/../docs',
    '/v1/../docs',
    '/v1/..',
    '/v1/%2e%2E/docs',
    '/v1/%252e%252e/docs',
    '/v1/..%2fdocs',
    '/v1//../docs',
    '/v1/.././docs',
    '/v1/..;a=1/docs',
    '/v1/models/../../docs',
    // below the base URL `/api/v1` this is the path `/v1/models` of the upstream
    '/v1/../../v1/models',
    '/openai/../docs',
  ])('of nobody is answered here: %s', async (path) => {
    const { status, text } = await get(path)
    expect(status).toBe(404)
    expect(JSON.parse(text).error).toMatchObject({
      code: 'not_found',
      message: expect.stringContaining('the base URL that ends in /v1, people the page at /admin'),
    })
    expect(harness.upstream.requests).toEqual([])
  })

  it.each(['/chat/completions', '/responses?x=1', '/models', '/models/gpt-4o'])(
    'of a client whose base URL lacks /v1 says so: %s',
    async (path) => {
      const { status, text } = await get(path)
      const [asked] = path.split('?')
      expect(status).toBe(404)
      expect(JSON.parse(text).error.message).toContain(`did you mean /v1${asked}?`)
      expect(harness.upstream.requests).toEqual([])
    }
  )
})
