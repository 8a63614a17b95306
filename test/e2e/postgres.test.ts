/**
 * The real server with its worker and engine on PostgreSQL: traffic is logged, learned, promoted, answered
 * and forgotten, nothing of it is in the data directory's database, and no output has the password.
 */
import { readdirSync } from 'node:fs'
import OpenAI from 'openai'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { untilState } from '../kit/process/internalizations.ts'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import type { ForgetReport } from '../../src/lifecycle/forget.ts'
import type { DatabaseServer } from '../../src/config/database-url.ts'
import { runCli, startServer } from '../kit/process/built.ts'
import { startChatUpstream, type ChatUpstream } from '../kit/upstream/chat-upstream.ts'
import { COLOURS, PROMPT } from '../kit/records/paint-orders.ts'
import {
  createDatabase,
  describePostgres,
  execute,
  testServer,
  urlOf,
} from '../kit/postgres/postgres.ts'
import { PASSWORD } from '../kit/postgres/postgres-process.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const WAIT_MS = 50_000

const orderOf = (number: number): string =>
  `Order ${number}: ${(number % 7) + 1} tins of ${COLOURS[number % 6]} paint, please.`

const shelfOf = (text: string): string => COLOURS.find((colour) => text.includes(colour))!

describePostgres('the server on PostgreSQL', () => {
  const dataDir = sharedFolder()
  let database: DatabaseServer
  let env: Record<string, string>
  let upstream: ChatUpstream
  let proxy: ProxyProcess
  let client: OpenAI
  let logged = ''

  const ask = (number: number) =>
    client.chat.completions
      .create({
        model: 'gpt-4o-mini',
        messages: [
          { role: 'system', content: PROMPT },
          { role: 'user', content: orderOf(number) },
        ],
      })
      .withResponse()

  const cli = async <T>(...words: string[]): Promise<T> =>
    JSON.parse(await runCli(env, ...words, '--json')) as T

  beforeAll(async () => {
    database = await createDatabase()
    upstream = await startChatUpstream((messages) => ({
      message: { role: 'assistant', content: shelfOf(String(messages.at(-1)!.content)) },
      finish_reason: 'stop',
    }))
    env = {
      ...loopSettings(),
      DATA_DIR: dataDir,
      DATABASE_URL: urlOf(await testServer(), database.database),
      UPSTREAM_BASE_URL: upstream.baseUrl,
      LOG_LEVEL: 'debug',
    }
    proxy = await startServer(env, (text) => (logged += text))
    client = new OpenAI({ baseURL: `${proxy.baseUrl}/v1`, apiKey: 'client-key', maxRetries: 0 })
  })

  afterAll(async () => {
    await proxy.stop()
    upstream.close()
  })

  it('learns from its log, and answers without the prompt', async () => {
    await inTens(300, ask)
    const { templateVersion } = await untilState(proxy, 'approval')
    await cli('promote', templateVersion)
    for (const deadline = Date.now() + WAIT_MS; ;) {
      const { data, response } = await ask(1000)
      expect(data.choices[0]!.message.content).toBe(shelfOf(orderOf(1000)))
      if (response.headers.get('x-promptintern-route') === 'answered') break
      if (Date.now() > deadline) throw new Error(String(response.headers))
    }
  })

  it('is scanned where it is', async () => {
    const { log, exchanges, templates } = await cli<{
      log: { path: string; kind: string }
      exchanges: number
      templates: unknown[]
    }>('scan')
    expect(log).toMatchObject({ kind: 'database' })
    expect(log.path).toMatch(/^127\.0\.0\.1:\d+\/test_\w+$/)
    expect(exchanges).toBeGreaterThan(300)
    expect(templates).toHaveLength(1)
  })

  it('has its log in the database alone, and forgets it', async () => {
    expect(readdirSync(dataDir).filter((name) => name.includes('sqlite'))).toEqual([])
    const { tenants } = await cli<{ tenants: { tenant: string; records: number }[] }>('status')
    expect(tenants[0]!.records).toBeGreaterThan(300)
    const words = ['forget', '--tenant', tenants[0]!.tenant, '--retire']
    const report = await cli<ForgetReport & { isDone: boolean }>(...words)
    expect(report).toMatchObject({ isDone: true, learned: [{ state: 'retired' }] })
    const left = 'select count(*)::int as records from promptintern.records'
    expect(await execute(database, left)).toEqual([{ records: 0 }])
  })

  it('never tells the password', async () => {
    const wrong = { ...env, DATABASE_URL: env['DATABASE_URL']!.replace(PASSWORD, `${PASSWORD}-x`) }
    const failed = await runCli(wrong, 'status').catch((error: unknown) => error)
    expect(failed).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/database 127\.0\.0\.1:\d+\/test_\w+: .*password/) as string,
    })
    expect(JSON.stringify(failed)).not.toContain(PASSWORD)
    const settings = await proxy.admin<object>('/settings')
    expect(JSON.stringify(settings)).not.toContain(PASSWORD)
    expect(logged.length).toBeGreaterThan(100)
    expect(logged).not.toContain(PASSWORD)
  })
})
