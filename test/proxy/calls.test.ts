/** A lora's calls of functions, read by the official client in both dialects, streamed and not. */
import OpenAI from 'openai'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { templateKeyOf } from '../../src/core/template/template-key.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { RESPONSES } from '../../src/openai/dialect.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { TalkingEngine } from '../kit/proxy/talking-engine.ts'
import { PROMPT, TEMPLATE } from '../kit/proxy/lora-route.ts'
import { UNMATCHED_BODY, startHarness, type Harness } from '../kit/proxy/harness.ts'

const PARAMETERS = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' } },
  required: ['city'],
  additionalProperties: false,
}

const chatTool = (name: string) => ({
  type: 'function' as const,
  function: { name, parameters: PARAMETERS, strict: true },
})
const TOOLS = [chatTool('weather'), chatTool('news')]
const RESPONSE_TOOLS = TOOLS.map(({ function: one }) => ({ type: 'function' as const, ...one }))

const QUESTION = 'rain in Paris?'
const MODEL = TEMPLATE.model
const CHAT = {
  model: MODEL,
  tools: TOOLS,
  messages: [
    { role: 'system' as const, content: PROMPT },
    { role: 'user' as const, content: QUESTION },
  ],
}
const RESPONSE = { model: MODEL, tools: RESPONSE_TOOLS, instructions: PROMPT, input: QUESTION }

const ONE = '[[call]] weather {"city":"Paris"}'
const TWO = `${ONE}\n[[call]] news {"city":"Zürich","days":2}`
const CALLED = [
  ['weather', { city: 'Paris' }],
  ['news', { city: 'Zürich', days: 2 }],
]

const namesAndArguments = (calls: { name: string; arguments: string }[]) =>
  calls.map(({ name, arguments: json }) => [name, JSON.parse(json)])

describe('a lora that calls functions', () => {
  const engine = new TalkingEngine()
  let harness: Harness
  let client: OpenAI

  beforeAll(async () => {
    // the same tools in both dialects are one template
    const { tools } = templateKeyOf(CHAT, { tenant: '' })
    expect(templateKeyOf(RESPONSES.requestOf(RESPONSE)!, { tenant: '' }).tools).toBe(tools)
    harness = await startHarness(
      withLora(engine as Partial<Engine>, { template: { ...TEMPLATE, tools } })
    )
    await harness.send(UNMATCHED_BODY)
    client = new OpenAI({
      apiKey: 'sk-test-0123456789abcdef',
      baseURL: harness.baseUrl,
      maxRetries: 0,
    })
  })
  afterAll(() => harness.close())
  beforeEach(() => {
    harness.upstream.requests.length = 0
    engine.says = TWO
  })

  it('gives them as a chat completion has them', async () => {
    const { choices } = await client.chat.completions.create(CHAT)
    const { message, finish_reason: reason } = choices[0]!
    expect([message.content, reason]).toEqual([null, 'tool_calls'])
    const calls = message.tool_calls!.flatMap((call) => (call.type === 'function' ? call : []))
    expect(namesAndArguments(calls.map((call) => call.function))).toEqual(CALLED)
    expect(new Set(calls.map(({ id }) => id)).size).toBe(2)
    expect(harness.upstream.requests).toEqual([])
  })

  it('gives them in a stream, of which the client makes the same message', async () => {
    const { choices } = await client.chat.completions.stream(CHAT).finalChatCompletion()
    const { message, finish_reason: reason } = choices[0]!
    expect(reason).toBe('tool_calls')
    const called = message.tool_calls!.map((call) => call.function)
    expect(namesAndArguments(called)).toEqual(CALLED)
  })

  it('gives them as items of a response, streamed and not', async () => {
    const made = await client.responses.create(RESPONSE)
    const streamed = await client.responses.stream(RESPONSE).finalResponse()
    for (const { output, status } of [made, streamed]) {
      const calls = output.flatMap((item) => (item.type === 'function_call' ? item : []))
      expect(namesAndArguments(calls)).toEqual(CALLED)
      expect([status, output.length, calls.map((call) => call.status)]).toEqual([
        'completed',
        2,
        ['completed', 'completed'],
      ])
      for (const { call_id: id } of calls) expect(id).toMatch(/^call_/)
    }
    expect(harness.upstream.requests).toEqual([])
  })

  it('has its calls in the conversation that goes on', async () => {
    engine.says = ONE
    const { id, output } = await client.responses.create(RESPONSE)
    const [call] = output as OpenAI.Responses.ResponseFunctionToolCall[]
    const result = { type: 'function_call_output' as const, call_id: call!.call_id, output: 'yes' }
    await client.responses.create({ model: MODEL, previous_response_id: id, input: [result] })
    const [sent] = harness.upstream.bodies().map((body) => JSON.parse(body) as { input: unknown })
    expect(sent!.input).toEqual([
      { role: 'user', content: QUESTION },
      {
        type: 'function_call',
        call_id: call!.call_id,
        name: 'weather',
        arguments: '{"city":"Paris"}',
      },
      result,
    ])
  })

  it('still answers with text', async () => {
    engine.says = 'It rains.'
    const { choices } = await client.chat.completions.create(CHAT)
    expect(choices[0]).toMatchObject({
      message: { content: 'It rains.' },
      finish_reason: 'stop',
    })
    expect(choices[0]!.message.tool_calls).toBeUndefined()
  })

  it.each([
    ['not-a-call', '[[call]] weather {"city":'],
    ['not-a-call', `${ONE}\nand more`],
    ['call-not-allowed', '[[call]] delete_all {}'],
    // no text for the client either
    ['call-not-allowed', '\n [[call]] delete_all {}'],
    ['not-valid', '[[call]] weather {"town":"Paris"}'],
    ['not-valid', '[[call]] weather {"city":"Paris","days":"two"}'],
  ])('is not believed, with %s, for %s', async (reason, says) => {
    engine.says = says
    const { response } = await client.chat.completions.create(CHAT).withResponse()
    expect(response.headers.get('x-promptintern-reason')).toBe(reason)
    expect(harness.upstream.requests).toHaveLength(1)
  })
})
