/** A head from a user's view: the real server with the embedded engine, an encoder and label traffic. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProxyProcess } from '../../bench/harness/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../../bench/harness/replay-upstream.ts'
import type { Internalization } from '../../src/core/lifecycle/internalization.ts'
import { writeTinyBert } from '../fakes/tiny-bert.ts'
import { startServer } from '../fixtures/built.ts'

const PROMPT = [
  'You route the messages of a bank to the desk that answers them. Read the message of the customer.',
  'Answer with the name of the desk alone: in lower case, without punctuation, without an explanation.',
].join('\n')

const DESKS = [
  { desk: 'card_desk', message: 'my card is lost' },
  { desk: 'rate_desk', message: 'the exchange rate' },
  { desk: 'transfer_desk', message: 'transfer the money' },
]

const messagesOf = (number: number) => [
  { role: 'system' as const, content: PROMPT },
  { role: 'user' as const, content: `${DESKS[number % 3]!.message} ${number}` },
]

describe('with ENCODER_PATH', () => {
  const folder = mkdtempSync(join(tmpdir(), 'promptintern-head-'))
  let upstream: ReplayUpstream
  let proxy: ProxyProcess
  let client: OpenAI

  const ask = async (number: number) => {
    upstream.add(messagesOf(number), DESKS[number % 3]!.desk, 90)
    const { data, response } = await client.chat.completions
      .create({ model: 'gpt-4o-mini', temperature: 0, messages: messagesOf(number) })
      .withResponse()
    return {
      answer: data.choices[0]!.message.content,
      route: response.headers.get('x-promptintern-route'),
    }
  }

  const newest = async (): Promise<Internalization | undefined> =>
    (await proxy.admin<{ data: Internalization[] }>('/internalizations')).data.at(-1)

  beforeAll(async () => {
    writeTinyBert(join(folder, 'tiny-bert'), { seed: 7 })
    upstream = await startReplayUpstream()
    proxy = await startServer({
      DATA_DIR: join(folder, 'data'),
      UPSTREAM_BASE_URL: upstream.baseUrl,
      ENGINE: 'onnx',
      MODEL_PATH: join(import.meta.dirname, '../../models/tiny'),
      ENCODER_PATH: join(folder, 'tiny-bert'),
      ARMS: 'label-head',
      AUTO_PROMOTE: 'true',
      ROLLOUT_STAGES: '1',
      AUDIT_SHARE: '0',
      LEARNING_CURVE: 'false',
      DETECT_MIN_SESSIONS: '40',
      TRAIN_ROWS: '90',
      HOLDOUT_ROWS: '90',
    })
    client = new OpenAI({ baseURL: `${proxy.baseUrl}/v1`, apiKey: 'client-key', maxRetries: 0 })
  })

  afterAll(async () => {
    await proxy.stop()
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('a head is trained, proved, and answers the official client', async () => {
    for (let start = 0; start < 200; start += 10)
      await Promise.all(Array.from({ length: 10 }, (_, index) => ask(start + index)))
    await expect
      .poll(async () => (await newest())?.state.name, { timeout: 60_000, interval: 200 })
      .toBe('live')
    const { id } = (await newest())!
    const { plan } = await proxy.admin<Internalization>(`/internalizations/${id}`)
    expect(plan!.arms).toMatchObject([{ name: 'label-head', encoder: 'tiny-bert' }])
    await expect
      .poll(async () => (await ask(900)).route, { timeout: 20_000, interval: 100 })
      .toBe('answered')
    for (const number of [901, 902, 903]) {
      const { answer, route } = await ask(number)
      expect([answer, route]).toEqual([DESKS[number % 3]!.desk, 'answered'])
    }
  })
})
