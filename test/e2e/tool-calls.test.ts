/**
 * Requests that offer tools, and an upstream that answers some of them with a call: the real server with
 * its worker and the fake engine. Regression: a route answered 28 of 28 such requests with text, because
 * its proof contained only the answers in text.
 */
import type OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { startChatUpstream } from '../kit/upstream/chat-upstream.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { COLOURS } from '../kit/records/paint-orders.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { useServer } from '../kit/whole/use-server.ts'

const RULES = 'Answer with the shelf alone, or call the tool where the order must be cancelled.'
/** The text of a request does not show whether the upstream answers with a call. */
const HIDDEN = `You sort paint orders for a warehouse in Katre. ${RULES}`
/** The text of a request shows it. */
const SAID = `You sort paint orders for a warehouse in Tofote. ${RULES}`

const TOOLS: OpenAI.ChatCompletionTool[] = [
  { type: 'function', function: { name: 'cancel', parameters: { type: 'object' } } },
]

const isCalled = (prompt: string, number: number): boolean =>
  prompt === HIDDEN ? (number * 7919) % 10 < 5 : number % 2 === 1

const questionOf = (prompt: string, number: number): string =>
  prompt === SAID && isCalled(prompt, number)
    ? `Cancel the delivery ${number} of mine, I need nothing from you any more.`
    : `Order ${number}: all of your ${COLOURS[number % 6]} paint, please, in ${COLOURS[number % 6]} tins.`

const answerTo = (prompt: string, number: number): object =>
  isCalled(prompt, number)
    ? {
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [
            { id: 'call_1', type: 'function', function: { name: 'cancel', arguments: '{}' } },
          ],
        },
        finish_reason: 'tool_calls',
      }
    : {
        message: { role: 'assistant', content: COLOURS[number % 6] },
        finish_reason: 'stop',
      }

const answerToAll = (messages: ChatMessage[]): object => {
  const [system, user] = messages.map(({ content }) => String(content))
  return answerTo(system!, Number(/\d+/.exec(user!)![0]))
}

interface Listed {
  data: { templateVersion: string; state: { name: string; reason?: string } }[]
}

describe('a template whose requests offer tools', () => {
  const server = useServer(
    () => startChatUpstream(answerToAll),
    ({ baseUrl }) => ({
      ...loopSettings({ promotes: true, holdoutRows: 160 }),
      UPSTREAM_BASE_URL: baseUrl,
    })
  )

  const ask = async (prompt: string, number: number) => {
    const { data, response } = await server.client.chat.completions
      .create({
        model: 'gpt-4o-mini',
        tools: TOOLS,
        messages: [
          { role: 'system', content: prompt },
          { role: 'user', content: questionOf(prompt, number) },
        ],
      })
      .withResponse()
    return {
      message: data.choices[0]!.message,
      route: response.headers.get('x-promptintern-route'),
    }
  }

  const askMany = (prompt: string, from: number, count: number) =>
    inTens(count, (number) => ask(prompt, number), from)

  /** The result of the newest internalization, once there are `count` of them. */
  const ending = async (count: number): Promise<Listed['data'][number]['state']> => {
    const deadline = Date.now() + 90_000
    for (;;) {
      const { data } = await server.proxy.admin<Listed>('/internalizations')
      const newest = data.at(-1)?.state
      if (data.length === count && newest && ['live', 'rejected', 'failed'].includes(newest.name))
        return newest
      if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(data)}`)
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
  }

  it('is not promoted if the lora cannot tell calls from text', async () => {
    await askMany(HIDDEN, 0, 600)
    expect((await ending(1)).name).toBe('rejected')
    for (const [i, { message, route }] of (await askMany(HIDDEN, 1000, 40)).entries()) {
      expect(route).toBeNull()
      expect(message.tool_calls !== undefined).toBe(isCalled(HIDDEN, 1000 + i))
    }
  })

  it('answers with text and with calls as the upstream does, if the lora can tell them apart', async () => {
    await askMany(SAID, 0, 400)
    expect((await ending(2)).name).toBe('live')
    while ((await ask(SAID, 2000)).route !== 'answered')
      await new Promise((resolve) => setTimeout(resolve, 100))
    // no longer ones than the proof had: those would go to the upstream
    const answers = await askMany(SAID, 500, 40)
    for (const [i, { message }] of answers.entries()) {
      expect(message.tool_calls !== undefined).toBe(isCalled(SAID, 500 + i))
      if (message.tool_calls === undefined) expect(message.content).toBe(COLOURS[(500 + i) % 6])
    }
    const ours = answers.filter(({ route }) => route === 'answered')
    expect(ours.filter(({ message }) => message.tool_calls === undefined).length).toBeGreaterThan(5)
    const calls = ours.flatMap(({ message }) => message.tool_calls ?? [])
    expect(calls.length).toBeGreaterThan(5)
    for (const call of calls)
      expect(call).toEqual({
        id: expect.stringMatching(/^call_/) as string,
        type: 'function',
        function: { name: 'cancel', arguments: '{}' },
      })
    expect(new Set(calls.map(({ id }) => id)).size).toBe(calls.length)
  })
})
