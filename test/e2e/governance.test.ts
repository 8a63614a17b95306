/**
 * Redaction and forgetting on the disk of the real server with its worker and engine: no file contains
 * a redacted value, or text of a record that the command line has forgotten.
 */
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { untilState } from '../kit/process/internalizations.ts'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import { filesWith } from '../kit/store/files-with.ts'
import { runCli, startServer } from '../kit/process/built.ts'
import type { ForgetReport } from '../../src/lifecycle/forget.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const SHELVES = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']
const PROMPT =
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.\n' +
  'Answer with the shelf alone: no punctuation, no explanation, lower case.'
const DOMAIN = 'mail-example.com'

const messagesOf = (number: number) => [
  { role: 'system' as const, content: PROMPT },
  {
    role: 'user' as const,
    content: `Order ${number} of c${number}@${DOMAIN}: ${(number % 7) + 1} tins of ${SHELVES[number % 6]} paint`,
  },
]

type Done = ForgetReport & { isDone: boolean }

describe('governance', () => {
  let upstream: ReplayUpstream
  let proxy: ProxyProcess
  let client: OpenAI
  const dataDir = sharedFolder()
  const env = {
    ...loopSettings(),
    DATA_DIR: dataDir,
    REDACT: 'email',
  }

  const found = (text: string): string[] => filesWith(dataDir, text)

  const ask = async (messages: OpenAI.ChatCompletionMessageParam[]): Promise<string | null> => {
    const { choices } = await client.chat.completions.create({ model: 'gpt-4o-mini', messages })
    return choices[0]!.message.content
  }

  const cli = async <T>(...words: string[]): Promise<T> =>
    JSON.parse(await runCli(env, ...words, '--json')) as T

  beforeAll(async () => {
    upstream = await startReplayUpstream()
    proxy = await startServer({ ...env, UPSTREAM_BASE_URL: upstream.baseUrl })
    client = new OpenAI({ baseURL: `${proxy.baseUrl}/v1`, apiKey: 'client-key', maxRetries: 0 })
  })

  afterAll(async () => {
    await proxy.stop()
    await upstream.close()
  })

  it('writes no redacted value into any file, while client and upstream see it', async () => {
    const answers = await inTens(300, (number) => {
      // the upstream answers only the exact messages that it knows
      upstream.add(messagesOf(number), SHELVES[number % 6]!, 60)
      return ask(messagesOf(number))
    })
    expect(answers).toEqual(answers.map((_answer, number) => SHELVES[number % 6]))
    const question = [{ role: 'user' as const, content: 'Who ordered?' }]
    upstream.add(question, `It was c1@${DOMAIN}.`, 5)
    expect(await ask(question)).toBe(`It was c1@${DOMAIN}.`)
    await untilState(proxy, 'approval')
    expect(upstream.counts).toEqual({ answered: 301, unknown: 0 })
    // text that is not redacted is in the log and in the uploaded rows
    const seen = found('[EMAIL_1]')
    expect(seen.some((path) => path.includes('promptintern.sqlite'))).toBe(true)
    expect(seen.some((path) => path.includes(join('engine', 'files')))).toBe(true)
    expect(found(DOMAIN)).toEqual([])
    const { data } = await proxy.admin<{ data: object[] }>('/records?bodies=true&limit=500')
    expect(data).toHaveLength(301)
    expect(JSON.stringify(data)).not.toContain(DOMAIN)
  })

  it('forgets while the server runs, and leaves no text on the disk', async () => {
    const { tenants } = await cli<{ tenants: { tenant: string; records: number }[] }>('status')
    expect(tenants).toMatchObject([{ records: 301 }])
    const { tenant } = tenants[0]!
    expect(found('tins of').length).toBeGreaterThan(0)
    const dry = await cli<ForgetReport>('forget', '--tenant', tenant, '--dry-run')
    expect(dry).toMatchObject({ records: 301, task: null, learned: [{ trained: 120 }] })
    const report = await cli<Done>('forget', '--tenant', tenant, '--retire')
    expect(report).toMatchObject({ records: 301, bodies: 602, isDone: true })
    expect(report.learned).toMatchObject([{ state: 'rejected', trained: 120, heldOut: 120 }])
    expect(found('tins of')).toEqual([])
    expect(found('warehouse')).toEqual([])
    expect((await proxy.admin<{ forgetting: number }>('/status')).forgetting).toBe(0)
    // the server still logs
    expect(await ask(messagesOf(7))).toBe(SHELVES[7 % 6])
  })

  it('reports that no record matches, also without a server', async () => {
    await proxy.stop()
    const nothing = await cli<ForgetReport>('forget', '--user', 'unknown')
    expect(nothing).toMatchObject({ records: 0, learned: [], task: null })
    const [row] = (await cli<{ tenants: { tenant: string }[] }>('status')).tenants
    expect(await cli('forget', '--tenant', row!.tenant)).toMatchObject({
      records: 1,
      isDone: true,
    })
  })
})
