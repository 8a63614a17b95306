/** Secrets of the real server: they reach neither an upstream nor an operator's log. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ADMIN_TOKEN } from '../kit/process/proxy-process.ts'
import { filesWith } from '../kit/store/files-with.ts'
import { endOfCli } from '../kit/process/built.ts'
import {
  AUTHORIZATION,
  CHAT_PATH,
  chatBody,
  eventually,
  send,
  startUpstream,
} from '../kit/proxy/harness.ts'
import { ownFolder } from '../kit/temporary-folder.ts'
import { useServer } from '../kit/whole/use-server.ts'

const TENANT_SECRET = 'secret-of-the-tenants'
const ENGINE_TOKEN = 'token-of-the-engine'
const SECRET = 'secret-in-the-query'

interface Shown {
  data: { path: string }[]
}

describe('secrets', () => {
  let log = ''
  const server = useServer(
    startUpstream,
    ({ url }) => ({
      UPSTREAM_BASE_URL: url,
      LOG_LEVEL: 'debug',
      TENANT_SECRET,
      // an engine that is away
      ENGINE: 'http',
      ENGINE_URL: 'http://127.0.0.1:1/v1',
      ENGINE_TOKEN,
    }),
    (text) => (log += text)
  )

  it.each([ADMIN_TOKEN, TENANT_SECRET, ENGINE_TOKEN])(
    '%s does not reach the upstream',
    async (secret) => {
      const headers = { 'x-api-key': secret }
      expect((await send(server.port, chatBody('hi'), { headers })).status).toBe(401)
      expect(server.upstream.requests).toEqual([])
    }
  )

  it('a query’s key reaches the upstream, and neither disk, admin API, metrics nor log', async () => {
    const path = `${CHAT_PATH}?api-version=1&api-key=${SECRET}`
    expect((await send(server.port, chatBody('hi'), { path })).status).toBe(200)
    expect(server.upstream.requests.at(-1)!.url).toBe(path)
    let shown: Shown = { data: [] }
    await eventually(async () => {
      shown = await server.proxy.admin<Shown>('/records')
      return shown.data.length > 0
    })
    expect(shown.data[0]!.path).toBe(`${CHAT_PATH}?api-version=1&api-key=[CREDENTIAL]`)
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    const metrics = await send(server.port, null, { method: 'GET', path: '/metrics', headers })
    expect(metrics.body.toString() + log + JSON.stringify(shown)).not.toContain(SECRET)
    expect(filesWith(server.dataDir, SECRET)).toEqual([])
    expect(filesWith(server.dataDir, AUTHORIZATION)).toEqual([])
  })

  it.each([
    ['an empty token', { tenantSecret: 'a'.repeat(64), adminToken: '' }],
    ['a blank token', { tenantSecret: 'a'.repeat(64), adminToken: '   ' }],
    ['no token', { tenantSecret: 'a'.repeat(64) }],
    ['a token that is a number', { tenantSecret: 'a'.repeat(64), adminToken: 7 }],
    ['an empty tenant secret', { tenantSecret: '', adminToken: 'b'.repeat(64) }],
    ['no secrets', null],
  ])('%s in secrets.json prevents the start', async (_what, secrets) => {
    const folder = ownFolder()
    writeFileSync(join(folder, 'secrets.json'), JSON.stringify(secrets))
    const { code, ...said } = await endOfCli({ DATA_DIR: folder, PORT: '0' }, ['serve'])
    expect(code).toBe(2)
    expect(said.stdout + said.stderr).toContain('secrets.json')
    expect(JSON.stringify(said)).not.toContain('a'.repeat(64))
  })

  it.each([
    ['UPSTREAM_BASE_URL', {}],
    ['ENGINE_URL', { ENGINE: 'http' }],
  ])('a password in %s prevents the start, and is not shown', async (key, env) => {
    const url = `http://user:${SECRET}@127.0.0.1:1`
    const all = { DATA_DIR: server.dataDir, PORT: '0', ...env, [key]: url }
    const { code, ...said } = await endOfCli(all, ['serve'])
    expect(code).toBe(2)
    expect(said.stdout + said.stderr).toContain(`${key}: must have no user, password`)
    expect(JSON.stringify(said)).not.toContain(SECRET)
  })
})
