/**
 * OpenAI's Agents SDK, which speaks Responses by default: an agent's loop with a function, with and without
 * the proxy, and answered by a lora at each turn.
 */
import { Agent, Runner, tool } from '@openai/agents-core'
import { OpenAIProvider } from '@openai/agents-openai'
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bothWays } from './both-ways.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { API_KEY } from './openai-upstream.ts'

const harness = useLiveLora()

const runnerAt = (baseURL: string, useResponses: boolean): Runner =>
  new Runner({
    tracingDisabled: true,
    modelProvider: new OpenAIProvider({
      openAIClient: new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 }),
      useResponses,
    }),
  })

const weather = tool({
  name: 'weather',
  description: 'The weather of a city',
  parameters: z.object({ city: z.string() }),
  execute: async ({ city }) => `rain in ${city}`,
})

const agent = (settings: { instructions: string; tools?: (typeof weather)[] }) =>
  new Agent({ name: 'Clerk', model: MODEL, ...settings })

describe.each([
  ['Responses', true],
  ['chat completions', false],
])('the Agents SDK by %s', (_, useResponses) => {
  it('gets the same answers, and sends the same bytes, as without the proxy', async () => {
    const helper = agent({ instructions: 'Be short.', tools: [weather] })
    const said = await bothWays(harness, async (baseURL) => {
      const { finalOutput, history } = await runnerAt(baseURL, useResponses).run(helper, 'rain?')
      return { finalOutput, types: history.map((item) => ('type' in item ? item.type : 'message')) }
    })
    expect(said.types).toContain('function_call_result')
    expect(said.finalOutput).toBeTypeOf('string')
  })

  it('streams as without the proxy', async () => {
    const helper = agent({ instructions: 'Be short.' })
    const said = await bothWays(harness, async (baseURL) => {
      const stream = await runnerAt(baseURL, useResponses).run(helper, 'hello', { stream: true })
      const kinds: string[] = []
      for await (const event of stream) kinds.push(event.type)
      await stream.completed
      return { kinds, finalOutput: stream.finalOutput }
    })
    expect(said.kinds.length).toBeGreaterThan(3)
  })

  it('is answered by a lora, also streamed, and goes on with what it answered', async () => {
    harness.upstream.requests.length = 0
    const clerk = agent({ instructions: PROMPT })
    const runner = runnerAt(harness.baseUrl, useResponses)
    const whole = await runner.run(clerk, QUESTION)
    expect(whole.finalOutput).toBe(ANSWER)
    const stream = await runner.run(clerk, QUESTION, { stream: true })
    await stream.completed
    expect(stream.finalOutput).toBe(ANSWER)
    expect(harness.upstream.requests).toEqual([])
  })
})
