/**
 * What the official client does with an answer: its next turn, whichever side gave the ones before. The upstream
 * enforces the API's limits, so a conversation that a lora began must go on there, and the other way round.
 */
import { randomBytes } from 'node:crypto'
import OpenAI from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { kindOf } from '../../src/core/route/request-kind.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import { templateKeyOf } from '../../src/core/template/template-key.ts'
import { readChatRequest, type ChatReading } from '../../src/core/request/chat-reading.ts'
import type { Template } from '../../src/core/template/template.ts'
import type { Engine, GeneratedDelta } from '../../src/engine/engine.ts'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { CHAT, RESPONSES, type Dialect } from '../../src/openai/dialect.ts'
import { readOwnId } from '../../src/openai/ids.ts'
import { chatRefusal, ResponsesLimits } from '../kit/upstream/api-limits.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { PROMPT, TEMPLATE } from '../kit/proxy/lora-route.ts'
import {
  respondJson,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const MODEL = TEMPLATE.model
const PARAMETERS = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}
const TOOLS = ['weather', 'news'].map((name) => ({
  type: 'function' as const,
  function: { name, parameters: PARAMETERS, strict: true },
}))
const RESPONSE_TOOLS = TOOLS.map(({ function: one }) => ({ type: 'function' as const, ...one }))
const QUESTION = 'rain in Paris?'
const FINAL = 'It rains.'
const CALLED = ['weather', 'news']

/** What the model says after so many results: it calls two functions, then answers. */
const callAt = (results: number): string | null => CALLED[results] ?? null

const randomId = (prefix: string): string => `${prefix}_${randomBytes(24).toString('hex')}`

type Fields = Record<string, unknown>

const completionAt = (results: number): object => {
  const name = callAt(results)
  const call = {
    id: `call_${randomBytes(12).toString('hex')}`,
    type: 'function',
    function: { name, arguments: '{"city":"Paris"}' },
  }
  const said = name === null ? { content: FINAL } : { content: null, tool_calls: [call] }
  return {
    id: `chatcmpl-${randomBytes(14).toString('hex')}x`,
    object: 'chat.completion',
    created: 1,
    model: MODEL,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', ...said, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: name === null ? 'stop' : 'tool_calls',
      },
    ],
    usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 },
  }
}

const itemAt = (results: number): Fields => {
  const name = callAt(results)
  if (name === null)
    return {
      id: randomId('msg'),
      type: 'message',
      status: 'completed',
      role: 'assistant',
      content: [{ type: 'output_text', text: FINAL, annotations: [], logprobs: [] }],
    }
  return {
    id: randomId('fc'),
    type: 'function_call',
    status: 'completed',
    call_id: `call_${randomBytes(12).toString('hex')}`,
    name,
    arguments: '{"city":"Paris"}',
  }
}

/** The API: it refuses what the API refuses, and remembers what it has given. */
const createApi = (): Responder => {
  const limits = new ResponsesLimits()
  const respond = (body: Fields): { status: number; value: unknown } => {
    const refused = limits.refusal(body)
    if (refused !== null) return { status: refused.status, value: { error: refused.error } }
    const items = limits.conversation(body)
    const output = [itemAt(items.filter(({ type }) => type === 'function_call_output').length)]
    const id = randomId('resp')
    limits.remember(id, items, output)
    const value = {
      id,
      object: 'response',
      created_at: 1,
      status: 'completed',
      model: MODEL,
      output,
    }
    return { status: 200, value }
  }
  return (request, response) => {
    const body = JSON.parse(request.body.toString()) as Fields
    if (request.url.startsWith('/v1/responses')) {
      const { status, value } = respond(body)
      return respondJson(value, status)(request, response)
    }
    const refused = chatRefusal(body)
    if (refused !== null)
      return respondJson({ error: refused.error }, refused.status)(request, response)
    const messages = body['messages'] as { role: string }[]
    const results = messages.filter(({ role }) => role === 'tool').length
    return respondJson(completionAt(results))(request, response)
  }
}

/** A lora that has learned the same; where it is not sure, the upstream answers. */
class LearnedEngine implements Pick<Engine, 'name' | 'stream'> {
  readonly name = 'learned'
  isSure: () => boolean = () => true
  answered = 0

  async *stream({ messages }: ChatRequest): AsyncIterable<GeneratedDelta> {
    const results = JSON.stringify(messages).split('[[result]]').length - 1
    const name = callAt(results)
    const text = name === null ? FINAL : `[[call]] ${name} {"city":"Paris"}`
    const logprob = this.isSure() ? -0.1 : -9
    if (logprob > -1) this.answered++
    yield { text, logprobs: [{ token: text, logprob, bytes: null, top_logprobs: [] }] }
    yield { text: '', logprobs: [], finishReason: 'stop' }
  }
}

/** A conversation of three turns: two calls and their results, then a text. @returns the texts of its turns */
type Loop = (client: OpenAI) => Promise<string[]>

/** As the documentation shows it: each message of the answer goes into the list as it is. */
const chatLoop: Loop = async (client) => {
  const messages: OpenAI.ChatCompletionMessageParam[] = [
    { role: 'system', content: PROMPT },
    { role: 'user', content: QUESTION },
  ]
  const said: string[] = []
  for (let turn = 0; turn < 3; turn++) {
    const { choices } = await client.chat.completions.create({
      model: MODEL,
      tools: TOOLS,
      messages,
    })
    const { message } = choices[0]!
    messages.push(message)
    for (const call of message.tool_calls ?? [])
      messages.push({ role: 'tool', tool_call_id: call.id, content: 'yes' })
    said.push(
      message.content ??
        JSON.stringify(
          message.tool_calls?.map((call) => call.type === 'function' && call.function.name)
        )
    )
  }
  return said
}

type Item = OpenAI.Responses.ResponseInputItem

/** How a client of the Responses API goes on: what it sends of an answer. */
const responseLoop =
  (
    goOn: (
      before: Item[],
      answer: OpenAI.Responses.Response,
      results: Item[]
    ) => Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming>
  ): Loop =>
  async (client) => {
    let next: Partial<OpenAI.Responses.ResponseCreateParamsNonStreaming> = {
      input: [{ role: 'user', content: QUESTION }],
    }
    const said: string[] = []
    for (let turn = 0; turn < 3; turn++) {
      const answer = await client.responses.create({
        model: MODEL,
        tools: RESPONSE_TOOLS,
        instructions: PROMPT,
        ...next,
      })
      const calls = answer.output.flatMap((item) => (item.type === 'function_call' ? [item] : []))
      const results = calls.map(({ call_id }): Item => ({
        type: 'function_call_output',
        call_id,
        output: 'yes',
      }))
      // the mock does not repeat it
      if (readOwnId(answer.id) !== null)
        expect(answer.previous_response_id).toBe(next.previous_response_id ?? null)
      said.push(answer.output_text || JSON.stringify(calls.map(({ name }) => name)))
      next = goOn(next.input as Item[], answer, results)
    }
    return said
  }

const LOOPS: [string, Dialect, Loop][] = [
  ['chat completions', CHAT, chatLoop],
  [
    'responses, whose items are sent back',
    RESPONSES,
    responseLoop((before, { output }, results) => ({
      input: [...before, ...(output as Item[]), ...results],
    })),
  ],
  [
    'responses, whose items are named by their ids',
    RESPONSES,
    responseLoop((before, { output }, results) => ({
      input: [
        ...before,
        ...output.map(({ id }): Item => ({ type: 'item_reference', id: id! })),
        ...results,
      ],
    })),
  ],
  [
    'responses, which are continued by their ids',
    RESPONSES,
    responseLoop((_before, { id }, results) => ({ previous_response_id: id, input: results })),
  ],
]

const TURNED: Template = {
  ...TEMPLATE,
  maxTurnsAfter: 10,
  tools: templateKeyOf({ model: MODEL, tools: TOOLS, messages: [] }, { tenant: '' }).tools,
}

/** Traits of the requests whose histories the API alone has made. */
const traitsOf = (bodies: readonly Buffer[], dialect: Dialect): string[] => {
  const matcher = compileMatcher([TURNED])
  return bodies.flatMap((body) => {
    const { outcome } = readChatRequest(body, dialect)
    const { request } = outcome as ChatReading
    const match = matcher.match(templateKeyOf(request, { tenant: TURNED.tenant }), request.messages)
    return match === null ? [] : kindOf(request, match).traits
  })
}

let harness: Harness
afterEach(() => harness.close())

const clientOf = (baseURL: string): OpenAI =>
  new OpenAI({ apiKey: 'sk-test-0123456789abcdef', baseURL, maxRetries: 0 })

/** The traits of a conversation that goes on with whole items, as the API answers it. */
const directTraits = async (dialect: Dialect): Promise<string[]> => {
  harness = await startHarness()
  harness.upstream.respond = createApi()
  const [, , loop] = LOOPS.find((each) => each[1] === dialect)!
  await loop(clientOf(harness.baseUrl))
  const traits = traitsOf(
    harness.upstream.requests.map(({ body }) => body),
    dialect
  )
  await harness.close()
  return traits
}

/** A live route whose proof had the conversations of the API. */
const startRoute = async (dialect: Dialect, engine: LearnedEngine): Promise<void> => {
  const traits = await directTraits(dialect)
  harness = await startHarness(
    withLora(engine as Partial<Engine>, {
      template: TURNED,
      kinds: { traits, values: [], maxChars: 100_000 },
    })
  )
  harness.upstream.respond = createApi()
  await harness.send(UNMATCHED_BODY)
  harness.upstream.requests.length = 0
}

const SAID = ['["weather"]', '["news"]', FINAL]

describe.each(LOOPS)('a tool loop of three turns by %s', (_name, dialect, loop) => {
  it.each([
    ['a lora answers all of', [0, 1, 2]],
    ['a lora answers the odd turns of', [0, 2]],
    ['a lora answers the even turn of', [1]],
  ])('%s is answered at every turn', async (_who, adapted) => {
    const engine = new LearnedEngine()
    await startRoute(dialect, engine)
    let turn = 0
    engine.isSure = () => adapted.includes(turn++ % 3)
    for (let round = 0; round < 10; round++)
      expect(await loop(clientOf(harness.baseUrl))).toEqual(SAID)
    // the API's items by their ids and its responses are not read, so a lora has no later turn of those
    const isRead = adapted.length === 3 || dialect === CHAT || _name.endsWith('sent back')
    if (isRead) expect(engine.answered).toBe(10 * adapted.length)
  })
})
