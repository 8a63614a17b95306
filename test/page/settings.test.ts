/** What the overview shows of the server: settings in force, and no secret; the API's description. */
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../src/config/config.ts'
import { usePage } from './harness.ts'

const SECRET = 'sk-very-secret'
const { settings } = parseConfig({
  UPSTREAM_API_KEY: SECRET,
  ADMIN_TOKEN: SECRET,
  MARGIN: '0.125',
  HOST: '127.0.0.2',
})

describe('settings', () => {
  const page = usePage({
    settings: () => [
      ...settings,
      { name: 'HOSTILE', value: '<script>alert(1)</script>\u202E', isDefault: false },
    ],
  })

  it('are all shown, with those that are not the default marked in words', async () => {
    const markup = await page.view('/admin')
    expect(markup.match(/<th scope="row"><code>/g)).toHaveLength(settings.length + 1)
    const row = (name: string) =>
      new RegExp(`<tr><th scope="row"><code>${name}</code>.*?</tr>`).exec(markup)![0]
    expect(row('MARGIN')).toContain('0.125')
    expect(row('MARGIN')).toContain('>set<')
    expect(row('PORT')).toContain('default')
    expect(row('UPSTREAM_API_KEY')).toContain('set')
    expect(markup).not.toContain(SECRET)
    expect(markup).not.toMatch(/<script>|\u202E/)
  })

  it('have the description of the API beside them', async () => {
    expect(await page.view('/admin')).toContain('href="/admin/openapi.json"')
    const text = await page.view('/admin/openapi.json')
    const { openapi, paths } = JSON.parse(text) as { openapi: string; paths: object }
    expect(openapi).toBe('3.1.0')
    expect(Object.keys(paths).length).toBeGreaterThan(15)
  })
})
