/** The official client on a route whose proof allows an answer to be streamed before its end is known. */
import OpenAI from 'openai'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { send, startHarness, UNMATCHED_BODY, type Harness } from '../kit/proxy/harness.ts'
import { PROMPT, TEMPLATE } from '../kit/proxy/lora-route.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { PACED_USAGE, PacedEngine } from '../kit/proxy/paced-engine.ts'
import { completion } from '../kit/records/completion.ts'

const WINDOW = Array.from({ length: 16 }, (_, i) => `word ${i}, `)
const REST = ['and ', 'the ', 'end 🙂']
const ANSWER = [...WINDOW, ...REST].join('')

const REQUEST = {
  model: TEMPLATE.model,
  messages: [
    { role: 'system' as const, content: PROMPT },
    { role: 'user' as const, content: 'where is my card' },
  ],
}

let engine: PacedEngine
let harness: Harness
let client: OpenAI

beforeEach(async () => {
  engine = new PacedEngine()
  harness = await startHarness(
    withLora(engine, { confidence: 'first', threshold: -1, streamsEarly: true })
  )
  await send(harness.port, UNMATCHED_BODY)
  harness.upstream.requests.length = 0
  client = new OpenAI({
    apiKey: 'sk-test-0123456789abcdef',
    baseURL: harness.baseUrl,
    maxRetries: 0,
  })
})
afterEach(() => harness.close())

const heldBack = async (): Promise<string | null> => {
  engine.say([...WINDOW, ...REST])
  engine.end()
  const { choices } = await client.chat.completions.create(REQUEST)
  return choices[0]!.message.content
}

it('gets the first words before the answer has ended, and in the end the same answer with its usage', async () => {
  const options = { stream: true, stream_options: { include_usage: true } } as const
  engine.say(WINDOW)
  const { data: stream, response } = await client.chat.completions
    .create({ ...REQUEST, ...options })
    .withResponse()
  const chunks: OpenAI.ChatCompletionChunk[] = []
  let isEnded = false
  for await (const chunk of stream) {
    chunks.push(chunk)
    if (isEnded || !chunk.choices[0]?.delta.content) continue
    // the engine has not said the rest yet
    isEnded = true
    engine.say(REST)
    engine.end()
  }
  const text = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')
  expect(text).toBe(ANSWER)
  expect(chunks[0]!.choices[0]!.delta).toMatchObject({ role: 'assistant', content: '' })
  expect(chunks.at(-2)!.choices[0]).toMatchObject({ delta: {}, finish_reason: 'stop' })
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: PACED_USAGE })
  expect(new Set(chunks.map(({ id }) => id)).size).toBe(1)
  expect(response.headers.get('x-promptintern-route')).toBe('answered')
  expect(Number(response.headers.get('x-promptintern-confidence'))).toBeCloseTo(-0.16, 6)
  expect(await heldBack()).toBe(text)
  expect(harness.upstream.requests).toEqual([])
})

it('gets the upstream’s answer and nothing else where the first words are not sure', async () => {
  engine.say(WINDOW, -0.5)
  const { data, response } = await client.chat.completions
    .create({ ...REQUEST, stream: false })
    .withResponse()
  expect(data).toEqual(completion('from the upstream'))
  expect(response.headers.get('x-promptintern-reason')).toBe('low-confidence')
})

it('sees an error where the engine dies in the middle of an answer', async () => {
  engine.say(WINDOW)
  const stream = await client.chat.completions.create({ ...REQUEST, stream: true })
  const read = async (): Promise<void> => {
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) engine.die()
  }
  await expect(read()).rejects.toThrow()
})

it('stops the generation where it leaves', async () => {
  engine.say(WINDOW)
  const stream = await client.chat.completions.create({ ...REQUEST, stream: true })
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
  await expect.poll(() => engine.over).toBe(1)
})
