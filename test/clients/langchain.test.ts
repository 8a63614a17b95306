/** LangChain's usual calls: with and without the proxy, and with a lora. */
import { HumanMessage, SystemMessage, ToolMessage } from '@langchain/core/messages'
import { tool } from '@langchain/core/tools'
import { ChatOpenAI } from '@langchain/openai'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bothWays, collect } from './both-ways.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { API_KEY } from './openai-upstream.ts'

const harness = useLiveLora()

const chatOf = (baseURL: string): ChatOpenAI =>
  new ChatOpenAI({
    model: MODEL,
    apiKey: API_KEY,
    maxRetries: 0,
    configuration: { baseURL },
  })

const both = <Result>(call: (chat: ChatOpenAI) => Promise<Result>): Promise<Result> =>
  bothWays(harness, (baseURL) => call(chatOf(baseURL)))

const MESSAGES = [new SystemMessage('Be short.'), new HumanMessage('Grüezi – 你好 🙂')]

const weather = tool(({ city }) => `rain in ${city}`, {
  name: 'weather',
  description: 'The weather of a city',
  schema: z.object({ city: z.string() }),
})

describe('LangChain', () => {
  it('invokes', async () => {
    const said = await both(async (chat) => {
      const { content, usage_metadata, response_metadata } = await chat.invoke(MESSAGES)
      return { content, usage_metadata, response_metadata }
    })
    expect(said.content).toContain('Grüezi – 你好 🙂')
    expect(said.usage_metadata!.total_tokens).toBeGreaterThan(0)
  })

  it('streams', async () => {
    const chunks = await both(async (chat) =>
      (await collect(await chat.stream(MESSAGES))).map(({ content, usage_metadata }) => ({
        content,
        usage_metadata,
      }))
    )
    expect(chunks.map(({ content }) => content).join('')).toContain('Grüezi – 你好 🙂')
    expect(chunks.some(({ usage_metadata }) => usage_metadata !== undefined)).toBe(true)
  })

  it('calls a tool and reads its result', async () => {
    const said = await both(async (chat) => {
      const withTools = chat.bindTools([weather])
      const called = await withTools.invoke(MESSAGES)
      const results = await Promise.all(called.tool_calls!.map((call) => weather.invoke(call)))
      const answer = await withTools.invoke([...MESSAGES, called, ...(results as ToolMessage[])])
      return answer.content
    })
    expect(said).toContain('rain in Zürich')
  })

  it('gives structured output', async () => {
    const schema = z.object({ label: z.enum(['card_lost', 'card_late']), sure: z.boolean() })
    const given = await both((chat) => chat.withStructuredOutput(schema).invoke(MESSAGES))
    expect(given).toEqual({ label: 'card_lost', sure: true })
  })

  it('invokes by the Responses API, answered by a lora', async () => {
    harness.upstream.requests.length = 0
    const chat = new ChatOpenAI({
      model: MODEL,
      apiKey: API_KEY,
      maxRetries: 0,
      useResponsesApi: true,
      // the provider keeps nothing
      zdrEnabled: true,
      configuration: { baseURL: harness.baseUrl },
    })
    const asked = [new SystemMessage(PROMPT), new HumanMessage(QUESTION)]
    const said = await chat.invoke(asked)
    expect([said.text, said.usage_metadata?.input_tokens]).toEqual([ANSWER, 12])
    const chunks = await collect(await chat.stream(asked))
    expect(chunks.map(({ text }) => text).join('')).toBe(ANSWER)
    expect(harness.upstream.requests).toEqual([])
  })

  describe('answered by a lora', () => {
    const asked = [new SystemMessage(PROMPT), new HumanMessage(QUESTION)]

    it('invokes', async () => {
      harness.upstream.requests.length = 0
      const said = await chatOf(harness.baseUrl).invoke(asked)
      expect(said.content).toBe(ANSWER)
      expect(said.response_metadata).toMatchObject({ model_name: harness.lora })
      expect(said.usage_metadata).toMatchObject({ input_tokens: 12, output_tokens: 3 })
      expect(harness.upstream.requests).toEqual([])
    })

    it('streams, with usage', async () => {
      harness.upstream.requests.length = 0
      const chunks = await collect(await chatOf(harness.baseUrl).stream(asked))
      expect(chunks.map(({ content }) => content).join('')).toBe(ANSWER)
      const whole = chunks.reduce((sum, chunk) => sum.concat(chunk))
      expect(whole.usage_metadata).toMatchObject({ input_tokens: 12, output_tokens: 3 })
      expect(harness.upstream.requests).toEqual([])
    })
  })
})
