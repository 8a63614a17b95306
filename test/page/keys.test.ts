/** Keys: made in the browser with the rules of the command line, shown once, and revoked. */
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { hashOfSecret, isSecret } from '../../src/core/keys/issued-key.ts'
import { openPage, usePage } from './harness.ts'

const VIEW = '/admin/keys'
const SECRET = /pi-[\w-]{43}/

describe('keys', () => {
  const page = usePage({
    settings: () => parseConfig({ ACCESS: 'keys', UPSTREAM_API_KEY: 'k' }).settings,
  })

  const create = (fields: Record<string, string>) => page.submit(VIEW, VIEW, fields)

  it('are shown once, and kept as a hash with their limits', async () => {
    const response = await create({
      name: 'Batch & more',
      tenant: 'search',
      models: 'gpt-4o-mini, o4*',
      'requests-per-minute': '60',
      'budget-usd': '2.5',
      'budget-period': 'month',
    })
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store'])
    const markup = await response.text()
    const [secret] = SECRET.exec(markup)!
    expect(isSecret(secret)).toBe(true)
    expect(markup).toContain('Batch &amp; more')
    expect(markup).toContain('no price of gpt-4o-mini, o4* is known')
    expect(await page.store.keys.list()).toMatchObject([
      {
        name: 'Batch & more',
        hash: hashOfSecret(secret),
        tenant: 'issued:search',
        limits: {
          models: ['gpt-4o-mini', 'o4*'],
          requestsPerMinute: 60,
          tokensPerMinute: null,
          budget: { usd: 2.5, period: 'month' },
        },
        revokedAt: null,
      },
    ])
    expect(await page.view(VIEW)).not.toMatch(SECRET)
  })

  it('have a tenant of their own and no limits by default', async () => {
    await create({ name: 'plain' })
    const [key] = await page.store.keys.list()
    expect(key!.tenant).toBe(`issued:${key!.id}`)
    expect(key!.limits).toEqual({
      models: null,
      requestsPerMinute: null,
      tokensPerMinute: null,
      budget: null,
    })
  })

  it.each([
    [{ name: '' }],
    [{ name: 'a', tenant: 'with space' }],
    [{ name: 'a', 'requests-per-minute': '0' }],
    [{ name: 'a', 'tokens-per-minute': '1.5' }],
    [{ name: 'a', 'budget-usd': '1' }],
    [{ name: 'a', 'budget-period': 'day' }],
    [{ name: 'a', 'budget-usd': '-1', 'budget-period': 'day' }],
  ])('are not made of %j', async (fields: Record<string, string>) => {
    expect((await create(fields)).status).toBe(400)
    expect(await page.store.keys.list()).toEqual([])
  })

  it('are revoked', async () => {
    await create({ name: 'a' })
    const [key] = await page.store.keys.list()
    const response = await page.submit(VIEW, `${VIEW}/${key!.id}/revoke`)
    expect([response.status, response.headers.get('location')]).toEqual([303, VIEW])
    expect((await page.store.keys.list())[0]!.revokedAt).toBe(page.clock.now)
    const markup = await page.view(VIEW)
    expect(markup).toContain('>revoked<')
    expect(markup).not.toContain('/revoke"')
  })

  it('are said not to be asked for without ACCESS=keys', async () => {
    expect(await page.view(VIEW)).not.toContain('ACCESS is not keys')
    const other = await openPage()
    await other.signIn()
    expect(await other.view(VIEW)).toContain('ACCESS is not keys')
    await other.close()
  })
})
