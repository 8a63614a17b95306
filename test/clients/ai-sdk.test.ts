/** The AI SDK's usual calls, by both of its providers: with and without the proxy, and with a lora. */
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, Output, stepCountIs, streamText, tool, type LanguageModel } from 'ai'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bothWays, collect } from './both-ways.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { API_KEY } from './openai-upstream.ts'

const harness = useLiveLora()

const PROVIDERS: Record<string, (baseURL: string) => LanguageModel> = {
  '@ai-sdk/openai, chat': (baseURL) => createOpenAI({ apiKey: API_KEY, baseURL }).chat(MODEL),
  '@ai-sdk/openai, responses': (baseURL) => createOpenAI({ apiKey: API_KEY, baseURL })(MODEL),
  '@ai-sdk/openai-compatible': (baseURL) =>
    createOpenAICompatible({
      name: 'openai',
      apiKey: API_KEY,
      baseURL,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })(MODEL),
}

const ASKED = { system: 'Be short.', prompt: 'Grüezi – 你好 🙂', maxRetries: 0 }

const weather = tool({
  description: 'The weather of a city',
  inputSchema: z.object({ city: z.string() }),
  execute: ({ city }) => `rain in ${city}`,
})

describe.each(Object.entries(PROVIDERS))('%s', (_, modelOf) => {
  const both = <Result>(call: (model: LanguageModel) => Promise<Result>): Promise<Result> =>
    bothWays(harness, (baseURL) => call(modelOf(baseURL)))

  it('generates', async () => {
    const said = await both(async (model) => {
      const { text, usage, finishReason } = await generateText({ ...ASKED, model })
      return { text, usage, finishReason }
    })
    expect(said.text).toContain('Grüezi – 你好 🙂')
    expect(said.finishReason).toBe('stop')
    expect(said.usage.totalTokens).toBeGreaterThan(0)
  })

  it('streams', async () => {
    const said = await both(async (model) => {
      const stream = streamText({ ...ASKED, model })
      return { deltas: await collect(stream.textStream), usage: await stream.usage }
    })
    expect(said.deltas.length).toBeGreaterThan(3)
    expect(said.usage.totalTokens).toBeGreaterThan(0)
  })

  it.each([false, true])('calls a tool and reads its result, streaming: %s', async (isStreamed) => {
    const said = await both(async (model) => {
      const request = { ...ASKED, model, tools: { weather }, stopWhen: stepCountIs(3) }
      const given = isStreamed ? streamText(request) : await generateText(request)
      return { text: await given.text, steps: (await given.steps).length }
    })
    expect(said).toEqual({ text: expect.stringContaining('rain in Zürich'), steps: 2 })
  })

  it('gives structured output', async () => {
    const schema = z.object({ label: z.enum(['card_lost', 'card_late']), sure: z.boolean() })
    const given = await both(async (model) => {
      const { output } = await generateText({ ...ASKED, model, output: Output.object({ schema }) })
      return output
    })
    expect(given).toEqual({ label: 'card_lost', sure: true })
  })
})

describe.each(['@ai-sdk/openai, chat', '@ai-sdk/openai, responses', '@ai-sdk/openai-compatible'])(
  '%s, answered by a lora',
  (name) => {
    const asked = () => ({
      model: PROVIDERS[name]!(harness.baseUrl),
      system: PROMPT,
      prompt: QUESTION,
      maxRetries: 0,
      providerOptions: { openai: name.endsWith('responses') ? { store: false } : {} },
    })

    it('generates', async () => {
      harness.upstream.requests.length = 0
      const { text, usage, response } = await generateText(asked())
      expect(text).toBe(ANSWER)
      expect(usage).toMatchObject({ inputTokens: 12, outputTokens: 3, totalTokens: 15 })
      expect(response.modelId).toBe(harness.lora)
      expect(harness.upstream.requests).toEqual([])
    })

    it('streams, with usage', async () => {
      harness.upstream.requests.length = 0
      const stream = streamText(asked())
      expect((await collect(stream.textStream)).join('')).toBe(ANSWER)
      expect(await stream.usage).toMatchObject({ totalTokens: 15 })
      expect(harness.upstream.requests).toEqual([])
    })
  }
)
