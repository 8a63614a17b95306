/** A field head from a user's view: the real server with the embedded engine and an encoder alone, and answers in JSON. */
import { join } from 'node:path'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import { startReplayUpstream, type ReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { startServer } from '../kit/process/built.ts'
import { untilState } from '../kit/process/internalizations.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const PROMPT = [
  'You read messages that customers of a bank write, and return what they say as JSON. Read the whole message',
  'before you answer, and ignore greetings and signatures. The member kind is lost for a card that is lost, and',
  'transfer for money that is sent. The member amount is the number that the customer writes, as text. Write one',
  'object with these two members in this order and nothing else; a program reads your answer.',
].join('\n')

/** Two kinds, each with an amount of its own. */
const messageOf = (number: number): string => {
  const amount = 1_000 + number
  return number % 2 === 0 ? `my card is lost , ${amount} money` : `transfer the money : ${amount} ?`
}

const answerOf = (number: number): string =>
  JSON.stringify({ kind: number % 2 === 0 ? 'lost' : 'transfer', amount: String(1_000 + number) })

const messagesOf = (number: number) => [
  { role: 'system' as const, content: PROMPT },
  { role: 'user' as const, content: messageOf(number) },
]

describe('answers that are made of fields', () => {
  const folder = sharedFolder()
  let upstream: ReplayUpstream
  let proxy: ProxyProcess
  let client: OpenAI

  const ask = async (number: number) => {
    upstream.add(messagesOf(number), answerOf(number), 90)
    const { data, response } = await client.chat.completions
      .create({ model: 'gpt-4o-mini', temperature: 0, messages: messagesOf(number) })
      .withResponse()
    return {
      answer: data.choices[0]!.message.content,
      route: response.headers.get('x-promptintern-route'),
    }
  }

  beforeAll(async () => {
    writeTinyBert(join(folder, 'tiny-bert'), { seed: 6 })
    upstream = await startReplayUpstream()
    proxy = await startServer({
      ...loopSettings({ promotes: true, trainRows: 300, holdoutRows: 150 }),
      DATA_DIR: join(folder, 'data'),
      // must also work on a busy machine
      SHED_DELAY_MS: '0',
      UPSTREAM_BASE_URL: upstream.baseUrl,
      ENGINE: 'onnx',
      ENCODER_PATH: join(folder, 'tiny-bert'),
    })
    client = new OpenAI({ baseURL: `${proxy.baseUrl}/v1`, apiKey: 'client-key', maxRetries: 0 })
  })

  afterAll(async () => {
    await proxy.stop()
    await upstream.close()
  })

  it('are learned, proved and given without a base model, with values that no log had', async () => {
    await inTens(480, (number) => ask(number))
    const { id } = await untilState(proxy, 'live', 120_000)
    const { plan } = await proxy.admin<Internalization>(`/internalizations/${id}`)
    expect(plan!.arms).toMatchObject([{ name: 'field-head', encoder: 'tiny-bert' }])
    expect(plan!.form).toMatchObject({
      explained: 1,
      unexplained: [],
      fields: [
        { path: 'kind', kind: 'choice', examples: expect.arrayContaining(['lost', 'transfer']) },
        { path: 'amount', kind: 'copied', examples: [] },
      ],
    })
    await expect
      .poll(async () => (await ask(901)).route, { timeout: 20_000, interval: 100 })
      .toBe('answered')
    for (const number of [7_002, 7_003, 7_004]) {
      const { answered } = upstream.counts
      expect(await ask(number)).toEqual({ answer: answerOf(number), route: 'answered' })
      expect(upstream.counts.answered).toBe(answered)
    }
  })
})
