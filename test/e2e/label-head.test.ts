/** A head from a user's view: the real server with the embedded engine, an encoder and labels in Chinese. */
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
  '你把银行客户的留言转给负责答复的柜台。请先读完客户的全部留言，忽略问候语和签名，然后再决定由哪个柜台答复。',
  '如果有两个柜台都合适，就选留言中最先提到的那一个；如果没有合适的柜台，就选最接近的那一个，不要自己编造名称。',
  '只写柜台的名称，不要加标点，不要加解释。程序会读取你的答复，任何多余的字都是错误。',
].join('\n')

/** Normalization would change each of these: full-width signs, an accent of its own, a compatibility form. */
const DESKS = [
  { desk: '卡片服务台（挂失）', message: '我的卡在哪？卡卡' },
  { desk: '外汇柜台 cafe\u0301 💱', message: '在在在 rate' },
  { desk: '㈱转账', message: '哪哪 money' },
]

const messagesOf = (number: number) => [
  { role: 'system' as const, content: PROMPT },
  { role: 'user' as const, content: `${DESKS[number % 3]!.message} ${number}` },
]

describe('with ENCODER_PATH', () => {
  const encoder = join(sharedFolder(), 'tiny-bert')
  beforeAll(() => writeTinyBert(encoder, { seed: 7 }))
  const server = useServer(startReplayUpstream, ({ baseUrl }) => ({
    ...loopSettings({ promotes: true, trainRows: 90 }),
    UPSTREAM_BASE_URL: baseUrl,
    ENGINE: 'onnx',
    ENCODER_PATH: encoder,
  }))

  const ask = async (number: number, members: { max_tokens?: number } = {}) => {
    server.upstream.add(messagesOf(number), DESKS[number % 3]!.desk, 90)
    const { data, response } = await server.client.chat.completions
      .create({ model: 'gpt-4o-mini', temperature: 0, messages: messagesOf(number), ...members })
      .withResponse()
    return {
      answer: data.choices[0]!.message.content,
      route: response.headers.get('x-promptintern-route'),
    }
  }

  /** @returns what the official client reads of a stream, joined */
  const streamed = async (number: number): Promise<string> => {
    const stream = await server.client.chat.completions.create({
      model: 'gpt-4o-mini',
      temperature: 0,
      messages: messagesOf(number),
      stream: true,
    })
    let text = ''
    for await (const { choices } of stream) text += choices[0]?.delta.content ?? ''
    return text
  }

  it('a head is trained, proved, and answers the official client with the labels as they were logged', async () => {
    await inTens(200, (number) => ask(number))
    const { id } = await untilState(server.proxy, 'live')
    const { plan } = await server.proxy.admin<Internalization>(`/internalizations/${id}`)
    expect(plan!.arms).toMatchObject([{ name: 'label-head', encoder: 'tiny-bert' }])
    await expect
      .poll(async () => (await ask(900)).route, { timeout: 20_000, interval: 100 })
      .toBe('answered')
    for (const number of [901, 902, 903]) {
      const { desk } = DESKS[number % 3]!
      const { answer, route } = await ask(number)
      expect(route).toBe('answered')
      expect(Buffer.from(answer!)).toEqual(Buffer.from(desk))
      const { answered } = server.upstream.counts
      expect(Buffer.from(await streamed(number))).toEqual(Buffer.from(desk))
      expect(server.upstream.counts.answered).toBe(answered)
    }
    // the upstream would cut its answer off, and the proof had no such request
    for (let number = 901; number < 913; number++) {
      const { answered } = server.upstream.counts
      await ask(number, { max_tokens: 1 })
      expect(server.upstream.counts.answered).toBe(answered + 1)
    }
  })
})
