/**
 * Redaction and forgetting on the disk of the real server with its worker and engine: no file contains
 * a redacted value, or text of a record that the command line has forgotten.
 */
import { join } from 'node:path'
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { untilState } from '../kit/process/internalizations.ts'
import { startReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import { filesWith } from '../kit/store/files-with.ts'
import { runCli } from '../kit/process/built.ts'
import type { ForgetReport } from '../../src/lifecycle/forget.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { useServer } from '../kit/whole/use-server.ts'

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
  const server = useServer(startReplayUpstream, ({ baseUrl }) => ({
    ...loopSettings(),
    UPSTREAM_BASE_URL: baseUrl,
    REDACT: 'email',
  }))

  const found = (text: string): string[] => filesWith(server.dataDir, text)

  const ask = async (messages: OpenAI.ChatCompletionMessageParam[]): Promise<string | null> => {
    const { choices } = await server.client.chat.completions.create({
      model: 'gpt-4o-mini',
      messages,
    })
    return choices[0]!.message.content
  }

  const cli = async <T>(...words: string[]): Promise<T> =>
    JSON.parse(await runCli(server.env, ...words, '--json')) as T

  it('writes no redacted value into any file, while client and upstream see it', async () => {
    const answers = await inTens(300, (number) => {
      // the upstream answers only the exact messages that it knows
      server.upstream.add(messagesOf(number), SHELVES[number % 6]!, 60)
      return ask(messagesOf(number))
    })
    expect(answers).toEqual(answers.map((_answer, number) => SHELVES[number % 6]))
    const question = [{ role: 'user' as const, content: 'Who ordered?' }]
    server.upstream.add(question, `It was c1@${DOMAIN}.`, 5)
    expect(await ask(question)).toBe(`It was c1@${DOMAIN}.`)
    await untilState(server.proxy, 'approval')
    expect(server.upstream.counts).toEqual({ answered: 301, unknown: 0 })
    // text that is not redacted is in the log and in the uploaded rows
    const seen = found('[EMAIL_1]')
    expect(seen.some((path) => path.includes('promptintern.sqlite'))).toBe(true)
    expect(seen.some((path) => path.includes(join('engine', 'files')))).toBe(true)
    expect(found(DOMAIN)).toEqual([])
    const { data } = await server.proxy.admin<{ data: object[] }>('/records?bodies=true&limit=500')
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
    expect((await server.proxy.admin<{ forgetting: number }>('/status')).forgetting).toBe(0)
    // the server still logs
    expect(await ask(messagesOf(7))).toBe(SHELVES[7 % 6])
  })

  it('reports that no record matches, also without a server', async () => {
    await server.proxy.stop()
    const nothing = await cli<ForgetReport>('forget', '--user', 'unknown')
    expect(nothing).toMatchObject({ records: 0, learned: [], task: null })
    const [row] = (await cli<{ tenants: { tenant: string }[] }>('status')).tenants
    expect(await cli('forget', '--tenant', row!.tenant)).toMatchObject({
      records: 1,
      isDone: true,
    })
  })
})
