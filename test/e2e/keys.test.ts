/** Issued keys from an operator's view: the command line while the server runs. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { hashOfSecret } from '../../src/core/keys/issued-key.ts'
import { chatBody, eventually, send, startUpstream, type RawAnswer } from '../kit/proxy/harness.ts'
import { endOfCli, runCli, startServer } from '../kit/process/built.ts'
import { PRICES, UPSTREAM_KEY } from '../kit/proxy/keyed.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { useServer } from '../kit/whole/use-server.ts'

interface ShownKey {
  id: string
  secret?: string
  spent: { requests: number; tokens: number; usd: number }
  revokedAt: number | null
}

describe('issued keys', () => {
  const prices = join(sharedFolder(), 'prices.json')
  beforeAll(() => writeFileSync(prices, JSON.stringify(PRICES)))
  let written = ''
  const onLog = (text: string): void => void (written += text)
  const server = useServer(
    startUpstream,
    ({ url }) => ({
      ACCESS: 'keys',
      UPSTREAM_API_KEY: UPSTREAM_KEY,
      UPSTREAM_BASE_URL: url,
      PRICES_FILE: prices,
      LOG_LEVEL: 'debug',
    }),
    onLog
  )
  let secret: string
  let id: string

  const cli = async <T>(...words: string[]): Promise<T> =>
    JSON.parse(await runCli(server.env, ...words, '--json')) as T

  const ask = (): Promise<RawAnswer> =>
    send(server.port, chatBody('hi', { max_tokens: 6 }), {
      headers: { authorization: `Bearer ${secret}` },
    })

  const statusBecomes = (status: number): Promise<void> =>
    eventually(async () => (await ask()).status === status)

  it('are accepted by the running server soon after they were created', async () => {
    const budget = ['--budget-usd', '1.5', '--budget-period', 'month']
    const created = await cli<ShownKey>('keys', 'create', '--name', 'team', ...budget)
    id = created.id
    secret = created.secret!
    await statusBecomes(200)
    expect(server.upstream.requests[0]!.headers.authorization).toBe(`Bearer ${UPSTREAM_KEY}`)
  })

  it('give an imported log the same tenant as the requests of the key', async () => {
    const file = join(server.dataDir, 'logs.jsonl')
    writeFileSync(
      file,
      `${JSON.stringify({ messages: [{ role: 'user', content: 'hi' }], response: 'yes' })}\n`
    )
    server.env.CALLER_KEY = secret
    const imported = await cli<{ tenant: string }>('import', file, '--key-env', 'CALLER_KEY')
    expect(imported.tenant).toBe(`issued:${id}`)
  })

  it('keep their budget after a restart', async () => {
    // 15 cents are spent, and the request may cost up to $1.43: a cent a byte
    await statusBecomes(429)
    await server.proxy.stop()
    server.proxy = await startServer(server.env, onLog)
    expect((await ask()).status).toBe(429)
    expect(server.upstream.requests).toHaveLength(1)
    const [listed] = await cli<ShownKey[]>('keys', 'list')
    expect(listed).toMatchObject({ id, spent: { tokens: 12, usd: 0.15 } })
  })

  it('have their use shown without limits too, and without the key of the upstream', async () => {
    const free = await cli<ShownKey>(
      'keys',
      'create',
      '--name',
      'free',
      '--requests-per-minute',
      '99'
    )
    const port = server.port
    const askFree = (): Promise<RawAnswer> =>
      send(port, chatBody('hi'), { headers: { authorization: `Bearer ${free.secret}` } })
    await eventually(async () => (await askFree()).status === 200)
    const { UPSTREAM_API_KEY: _key, ...withoutKey } = server.env
    const shown = async (): Promise<ShownKey> => {
      const keys = JSON.parse(await runCli(withoutKey, 'keys', 'list', '--json')) as ShownKey[]
      return keys.find((key) => key.id === free.id)!
    }
    await eventually(async () => (await shown()).spent.requests > 0)
    expect((await shown()).spent).toEqual({ requests: 1, tokens: 12, usd: 0.15 })
    const text = await runCli(withoutKey, 'keys', 'list')
    expect(text).toMatch(/requests\s+1\s+tokens\s+12\s+USD\s+0\.1500/)
  })

  it('are refused soon after they were revoked', async () => {
    const revoked = await cli<ShownKey>('keys', 'revoke', id)
    expect(revoked.revokedAt).not.toBeNull()
    await statusBecomes(401)
  })

  it.each([
    [{ PRICES_FILE: '' }, ['--models', 'known-sizes'], /no price of known-sizes is known/],
    [{ PRICES_FILE: '' }, ['--models', 'gpt-4o-mini'], /^$/],
    [{}, ['--models', 'gpt-4o-mini,o9,known-*,x*'], /no price of o9, x\* is known/],
    [{}, [], /the proxy refuses those without a price/],
    [{}, ['--models', 'gpt-4o-mini-2024-07-18,known-sizes'], /^$/],
  ])('with a budget and %j %j say which models it refuses', async (more, words, note) => {
    const budget = ['--budget-usd', '1', '--budget-period', 'day']
    const all = ['keys', 'create', '--name', 'b', ...budget, ...words]
    const { code, stderr } = await endOfCli({ ...server.env, ...more }, all)
    expect(code).toBe(0)
    expect(stderr.trim()).toMatch(note)
    if (stderr !== '') expect(stderr).toMatch(/^note: .*\(403\)/)
  })

  it('are not on the disk, in the log or in the admin API', async () => {
    const admin = await Promise.all(
      ['/records?limit=10', '/status', '/templates', '/internalizations'].map((path) =>
        server.proxy.admin<unknown>(path)
      )
    )
    expect(JSON.stringify(admin)).toContain(`issued:${id}`)
    const listed = await cli<ShownKey[]>('keys', 'list')
    expect(written).toContain('listening')
    const outside = [JSON.stringify(admin), JSON.stringify(listed), written].join()
    for (const hidden of [secret, secret.slice(3), hashOfSecret(secret), UPSTREAM_KEY])
      expect(outside).not.toContain(hidden)
    const files = readdirSync(server.dataDir).filter((name) =>
      name.startsWith('promptintern.sqlite')
    )
    expect(files.length).toBeGreaterThan(0)
    for (const name of files)
      expect(readFileSync(join(server.dataDir, name)).includes(secret.slice(3))).toBe(false)
  })
})
