/** A field head from a user's view: the real server with the embedded engine and an encoder alone, and answers in JSON. */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { startReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { writeTinyBert } from '../kit/model/tiny-bert.ts'
import { untilState } from '../kit/process/internalizations.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'
import { useServer } from '../kit/whole/use-server.ts'

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
  const encoder = join(sharedFolder(), 'tiny-bert')
  beforeAll(() => writeTinyBert(encoder, { seed: 6 }))
  const server = useServer(startReplayUpstream, ({ baseUrl }) => ({
    // must also work on a busy machine
    ...loopSettings({
      promotes: true,
      trainRows: 300,
      holdoutRows: 150,
      constants: { shedDelayMs: 0 },
    }),
    UPSTREAM_BASE_URL: baseUrl,
    ENGINE: 'onnx',
    ENCODER_PATH: encoder,
  }))

  const ask = async (number: number) => {
    server.upstream.add(messagesOf(number), answerOf(number), 90)
    const { data, response } = await server.client.chat.completions
      .create({ model: 'gpt-4o-mini', temperature: 0, messages: messagesOf(number) })
      .withResponse()
    return {
      answer: data.choices[0]!.message.content,
      route: response.headers.get('x-promptintern-route'),
    }
  }

  it('are learned, proved and given without a base model, with values that no log had', async () => {
    await inTens(480, (number) => ask(number))
    const { id } = await untilState(server.proxy, 'live', 120_000)
    const { plan } = await server.proxy.admin<Internalization>(`/internalizations/${id}`)
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
      const { answered } = server.upstream.counts
      expect(await ask(number)).toEqual({ answer: answerOf(number), route: 'answered' })
      expect(server.upstream.counts.answered).toBe(answered)
    }
  })
})
