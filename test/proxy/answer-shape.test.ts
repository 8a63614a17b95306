/** A lora's answers have the shape that the API publishes, in both dialects, whole and streamed. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { templateKeyOf } from '../../src/core/template/template-key.ts'
import type { Engine } from '../../src/engine/engine.ts'
import { TalkingEngine } from '../kit/proxy/talking-engine.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { PROMPT, TEMPLATE } from '../kit/proxy/lora-route.ts'
import { KINDS } from '../kit/records/route-rules.ts'
import { eventErrors, shapeErrors } from '../kit/upstream/openapi/api-shape.ts'
import { startHarness, UNMATCHED_BODY, type Harness } from '../kit/proxy/harness.ts'

const RESPONSES_PATH = '/v1/responses'
const PARAMETERS = {
  type: 'object',
  properties: { when: { type: 'string' }, city: { type: 'string' }, days: { type: 'integer' } },
}
/** Functions of a response are strict where they do not say otherwise. */
const CHAT_TOOLS = [
  { type: 'function', function: { name: 'weather', parameters: PARAMETERS, strict: true } },
]
const CHAT = {
  model: TEMPLATE.model,
  tools: CHAT_TOOLS,
  messages: [
    { role: 'system', content: PROMPT },
    { role: 'user', content: 'rain in Paris?' },
  ],
}
const RESPONSE = {
  model: TEMPLATE.model,
  tools: [{ type: 'function', name: 'weather', parameters: PARAMETERS }],
  instructions: PROMPT,
  input: 'rain in Paris?',
}

const CALLS = '[[call]] weather {"city":"Paris"}\n[[call]] weather {"city":"Zürich","days":2}'
const ANSWERS = [
  ['a text', 'Take an umbrella 🙂.'],
  ['calls', CALLS],
] as const

type Json = Record<string, unknown>
interface Chunk {
  choices: { delta: { content?: string; tool_calls?: { function: { arguments: string } }[] } }[]
}

const eventsIn = (text: string): Json[] =>
  text
    .split('\n\n')
    .flatMap((event) => event.split('\n').filter((line) => line.startsWith('data: {')))
    .map((line) => JSON.parse(line.slice('data: '.length)) as Json)

describe('an answer of a lora', () => {
  const engine = new TalkingEngine()
  let harness: Harness

  beforeAll(async () => {
    const { tools } = templateKeyOf(CHAT, { tenant: '' })
    const template = { ...TEMPLATE, tools, maxTurnsAfter: 4 }
    const kinds = { ...KINDS, traits: [...KINDS.traits, 'turn 2: user'] }
    harness = await startHarness(withLora(engine as Partial<Engine>, { template, kinds }))
    await harness.send(UNMATCHED_BODY)
  })
  afterAll(() => harness.close())
  beforeEach(() => {
    harness.upstream.requests.length = 0
  })

  const answered = async (body: object, path?: string): Promise<string> => {
    const answer = await harness.send(JSON.stringify(body), path === undefined ? {} : { path })
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    return answer.text
  }

  it.each(ANSWERS)('is a chat completion: %s', async (_, says) => {
    engine.says = says
    const completion = JSON.parse(await answered(CHAT)) as Json
    expect(shapeErrors('CreateChatCompletionResponse', completion)).toEqual([])
    expect(completion['usage']).toEqual({
      prompt_tokens: 7,
      completion_tokens: 2,
      total_tokens: 9,
      prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
      completion_tokens_details: {
        reasoning_tokens: 0,
        audio_tokens: 0,
        accepted_prediction_tokens: 0,
        rejected_prediction_tokens: 0,
      },
    })
  })

  it.each(ANSWERS)('is chunks of a chat completion: %s', async (_, says) => {
    engine.says = says
    const text = await answered({ ...CHAT, stream: true, stream_options: { include_usage: true } })
    const chunks = eventsIn(text)
    for (const chunk of chunks)
      expect(shapeErrors('CreateChatCompletionStreamResponse', chunk)).toEqual([])
    expect(chunks[0]).toMatchObject({
      choices: [{ delta: { role: 'assistant', refusal: null } }],
    })
    expect(chunks.at(-1)).toMatchObject({ usage: { prompt_tokens_details: { cached_tokens: 0 } } })
  })

  it.each(ANSWERS)('is a response: %s', async (_, says) => {
    engine.says = says
    const response = JSON.parse(await answered(RESPONSE, RESPONSES_PATH)) as Json
    expect(shapeErrors('Response', response)).toEqual([])
    expect(response['completed_at']).toBeGreaterThanOrEqual(Number(response['created_at']))
  })

  it.each(ANSWERS)('is events of a response: %s', async (_, says) => {
    engine.says = says
    const events = eventsIn(await answered({ ...RESPONSE, stream: true }, RESPONSES_PATH))
    for (const event of events) expect(eventErrors(event)).toEqual([])
    expect(events.map(({ sequence_number: number }) => number)).toEqual([...events.keys()])
  })

  it('has the arguments of calls in the order of the function’s schema, in several deltas', async () => {
    engine.says = '[[call]] weather {"city":"Zürich 🙂","days":2,"when":"now"}'
    const text = '{"when":"now","city":"Zürich 🙂","days":2}'
    const completion = JSON.parse(await answered(CHAT)) as Json
    expect(completion).toMatchObject({
      choices: [{ message: { tool_calls: [{ function: { arguments: text } }] } }],
    })
    const chunks = eventsIn(await answered({ ...CHAT, stream: true })) as unknown as Chunk[]
    const given = chunks.flatMap(({ choices }) =>
      (choices[0]?.delta.tool_calls ?? []).map((call) => call.function.arguments)
    )
    expect(given.join('')).toBe(text)
    expect(given.filter((piece) => piece !== '').length).toBeGreaterThan(3)
    const events = eventsIn(await answered({ ...RESPONSE, stream: true }, RESPONSES_PATH))
    const deltas = events.filter(({ type }) => type === 'response.function_call_arguments.delta')
    expect(deltas.map(({ delta }) => delta).join('')).toBe(text)
    expect(deltas.length).toBeGreaterThan(3)
  })

  it('has its text in several deltas', async () => {
    engine.says = 'Take an umbrella 🙂, and be back before the bridge closes.'
    const chunks = eventsIn(await answered({ ...CHAT, stream: true })) as unknown as Chunk[]
    const texts = chunks.flatMap(({ choices }) => choices[0]?.delta.content ?? [])
    expect(texts.join('')).toBe(engine.says)
    expect(texts.length).toBeGreaterThan(5)
    const events = eventsIn(await answered({ ...RESPONSE, stream: true }, RESPONSES_PATH))
    const deltas = events.flatMap(({ type, delta }) =>
      type === 'response.output_text.delta' ? [delta] : []
    )
    expect(deltas.join('')).toBe(engine.says)
    expect(deltas.length).toBeGreaterThan(5)
  })

  it('says which response it continues', async () => {
    engine.says = 'Take an umbrella.'
    const first = JSON.parse(await answered(RESPONSE, RESPONSES_PATH)) as Json
    const next = await harness.send(
      JSON.stringify({ ...RESPONSE, input: 'and tomorrow?', previous_response_id: first['id'] }),
      { path: RESPONSES_PATH }
    )
    expect(next.headers['x-promptintern-route']).toBe('answered')
    expect((JSON.parse(next.text) as Json)['previous_response_id']).toBe(first['id'])
  })

  it('has the tier that it was processed in, not the one that was asked for', async () => {
    engine.says = 'Take an umbrella.'
    const asked = { service_tier: 'priority' }
    const completion = JSON.parse(await answered({ ...CHAT, ...asked })) as Json
    const response = JSON.parse(await answered({ ...RESPONSE, ...asked }, RESPONSES_PATH)) as Json
    expect([completion['service_tier'], response['service_tier']]).toEqual(['default', 'default'])
  })
})
