import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openPage, READ_TOKEN, TOKEN, type Page, usePage } from './harness.ts'

const HOUR_MS = 3_600_000

describe('the session of the page', () => {
  let page: Page

  beforeEach(async () => {
    page = await openPage()
  })

  afterEach(() => page.close())

  it('sends a person who is not signed in to the sign-in, and then to where they wanted to go', async () => {
    const asked = await page.request('/admin/keys?x=1')
    expect(asked.status).toBe(303)
    const location = asked.headers.get('location')!
    expect(location).toBe('/admin/sign-in?next=%2Fadmin%2Fkeys%3Fx%3D1')
    expect(await (await page.request(location)).text()).toContain('value="/admin/keys?x=1"')
    const signedIn = await page.post('/admin/sign-in', { token: TOKEN, next: '/admin/keys?x=1' })
    expect(signedIn.headers.get('location')).toBe('/admin/keys?x=1')
    expect(await page.view('/admin/keys')).toContain('No key was issued')
  })

  it.each(['https://evil.example', '//evil.example', '/admin/\\evil', '/v1/models', '/admin//x'])(
    'leads nobody to %s after the sign-in',
    async (next) => {
      const markup = await page.view(`/admin/sign-in?next=${encodeURIComponent(next)}`)
      expect(markup).toContain('name="next" value="/admin"')
    }
  )

  it('keeps the session in a cookie that scripts and other sites do not get', async () => {
    const set = (await page.signIn()).headers.get('set-cookie')!
    expect(set).toContain('HttpOnly')
    expect(set).toContain('SameSite=Strict')
    expect(set).toContain('Path=/admin')
    expect(set).not.toContain('Secure')
    expect(set).not.toContain(TOKEN)
    const behindTls = await page.post(
      '/admin/sign-in',
      { token: TOKEN },
      { 'x-forwarded-proto': 'https' }
    )
    expect(behindTls.headers.get('set-cookie')).toContain('Secure')
  })

  it('takes neither a wrong token nor a forged or a changed cookie', async () => {
    expect((await page.signIn('guess')).status).toBe(401)
    const cookie = (await page.signIn(READ_TOKEN)).headers.get('set-cookie')!.split(';')[0]!
    const [payload, signature] = cookie.split('=')[1]!.split('.')
    const session = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as object
    const raised = Buffer.from(JSON.stringify({ ...session, role: 'full' })).toString('base64url')
    const strange = ['null', '5', '{"role":"__proto__"}', '{"role":"constructor"}'].map(
      (text) => `${Buffer.from(text).toString('base64url')}.x`
    )
    for (const value of [
      ...strange,
      '',
      'x',
      '.',
      `${raised}.${signature}`,
      `${payload}.`,
      `${payload}.x`,
    ]) {
      const response = await page.request('/admin/keys', {
        headers: { cookie: `promptintern-session=${value}` },
      })
      expect(response.status, value).toBe(303)
    }
    expect(page.faults).toEqual([])
  })

  it('ends after twelve hours, and with a sign-out for good', async () => {
    await page.signIn()
    page.clock.now += 11 * HOUR_MS
    expect((await page.request('/admin/keys')).status).toBe(200)
    page.clock.now += 2 * HOUR_MS
    expect((await page.request('/admin/keys')).status).toBe(303)

    const cookie = (await page.signIn()).headers.get('set-cookie')!.split(';')[0]!
    await page.submit('/admin/keys', '/admin/sign-out')
    expect((await page.request('/admin/keys', { headers: { cookie } })).status).toBe(303)
  })

  it('refuses a form of another site, and one without the token of the session', async () => {
    await page.signIn()
    const evil = { origin: 'https://evil.example' }
    expect((await page.post('/admin/sign-out', {}, evil)).status).toBe(403)
    expect((await page.post('/admin/sign-out')).status).toBe(403)
    expect((await page.post('/admin/sign-out', { 'form-token': 'x' })).status).toBe(403)
    expect((await page.request('/admin/keys')).status).toBe(200)
  })

  it('refuses a form that is too large', async () => {
    await page.signIn()
    const response = await page.post('/admin/sign-out', { 'form-token': 'x'.repeat(100_000) })
    expect(response.status).toBe(413)
  })

  it('lets the holder of the other token look, and sign out', async () => {
    await page.signIn(READ_TOKEN, 'Ana <b>')
    const markup = await page.view('/admin')
    expect(markup).toContain('Ana b')
    expect(markup).toContain('read-only')
    expect((await page.submit('/admin', '/admin/sign-out')).status).toBe(303)
  })
})

describe('every view', () => {
  const page = usePage()

  it('is kept by no cache, framed by no site, and loads nothing from elsewhere', async () => {
    const { headers } = await page.request('/admin/keys')
    expect(headers.get('cache-control')).toBe('no-store')
    const policy = headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'self'")
    expect(policy).toContain("frame-ancestors 'none'")
    expect(policy).not.toContain('unsafe')
    const markup = await page.view('/admin/keys')
    expect(markup.match(/(src|href)="(?!\/admin|#)[^"]*"/g)).toBeNull()
    expect(markup.match(/ style=| on[a-z]+=|<script>|<style/g)).toBeNull()
  })

  it('has files with a hash in their address, which a browser may keep for ever', async () => {
    const paths = [...(await page.view('/admin/keys')).matchAll(/"(\/admin\/assets\/[^"]+)"/g)]
    expect(paths.length).toBe(7)
    for (const [, path] of paths) {
      const response = await page.request(path!, { headers: { 'accept-encoding': 'gzip' } })
      expect(response.status).toBe(200)
      expect(response.headers.get('cache-control')).toContain('immutable')
      expect(response.headers.get('content-encoding')).toBe('gzip')
    }
  })

  it('that is unknown is not found, and its request reaches no upstream', async () => {
    const response = await page.request('/admin/nothing<b>')
    expect(response.status).toBe(404)
    expect(await response.text()).toContain('there is no /admin/nothing&lt;b&gt;')
  })

  it('says what is not there without what turns or hides a text', async () => {
    const response = await page.request('/admin/templates/%E2%80%AEa%1B')
    expect(await response.text()).toContain('there is no template ‹RLO›a‹U+001B›')
  })

  it('tells its reader no more than "internal error" of a fault, and the operator all', async () => {
    const { keys } = page.store
    const broken = await openPage({
      store: {
        ...page.store,
        keys: { ...keys, spend: () => Promise.reject(new Error('secret path')) },
      },
    })
    await broken.signIn()
    const response = await broken.request('/admin/keys')
    expect(response.status).toBe(500)
    expect(await response.text()).not.toContain('secret path')
    expect(String(broken.faults[0])).toContain('secret path')
    await broken.close()
  })
})
