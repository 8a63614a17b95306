/**
 * A route answers only the kinds of requests that its proof contained: the real server with its worker and the
 * fake engine, and an upstream whose answer depends on every member of a request.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ProxyProcess } from '../kit/process/proxy-process.ts'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import { startServer } from '../kit/process/built.ts'
import {
  startChatUpstream,
  type AnswerTo,
  type ChatUpstream,
} from '../kit/upstream/chat-upstream.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'

const COLOURS = ['amber', 'blue', 'crimson', 'green', 'indigo', 'orange']
const PROMPT = [
  'You sort paint orders for a warehouse. Read the order and name the shelf it goes to.',
  'Shelves are named after the colour that the customer asks for.',
  'Answer with the shelf alone: no punctuation, no explanation, lower case.',
].join('\n')
const ATTEMPTS = 12

const colourOf = (number: number): string => COLOURS[number % COLOURS.length]!
/** Every colour is among the questions that are learned, so the lora is as sure of a new one of each. */
const questionOf = (number: number): string =>
  `Order ${100 + number}: tins of ${colourOf(number)} paint, please.`
/** What a function says. */
const found = (number: number): string =>
  JSON.stringify({ customer: 'ann', colour: colourOf(number) })
/** Of the last order that a conversation is about. */
const colourIn = (messages: ChatMessage[]): string =>
  COLOURS.findLast((colour) => JSON.stringify(messages.slice(1)).includes(colour))!

interface Asked {
  route: string | null
  message: ChatMessage
}

/** A server with a live route, and the requests of one client. */
class Scene {
  private upstream!: ChatUpstream
  private proxy!: ProxyProcess
  private readonly dataDir = mkdtempSync(join(tmpdir(), 'promptintern-kinds-'))
  private readonly answerTo: AnswerTo

  constructor(answerTo: AnswerTo) {
    this.answerTo = answerTo
  }

  async start(rows: number): Promise<void> {
    this.upstream = await startChatUpstream(this.answerTo, false)
    this.proxy = await startServer({
      ...loopSettings({ promotes: true, trainRows: rows }),
      DATA_DIR: this.dataDir,
      UPSTREAM_BASE_URL: this.upstream.baseUrl,
    })
  }

  async close(): Promise<void> {
    await this.proxy.stop()
    this.upstream.close()
    rmSync(this.dataDir, { recursive: true, force: true })
  }

  async ask(request: object): Promise<Asked> {
    const response = await fetch(`${this.proxy.baseUrl}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: 'Bearer client-key' },
      body: JSON.stringify(request),
    })
    const { choices } = (await response.json()) as { choices: { message: ChatMessage }[] }
    return { route: response.headers.get('x-promptintern-route'), message: choices[0]!.message }
  }

  /** Ten at once. */
  async many<T>(count: number, one: (number: number) => Promise<T>): Promise<T[]> {
    const all: T[] = []
    for (let start = 0; start < count; start += 10)
      all.push(...(await Promise.all(Array.from({ length: 10 }, (_, i) => one(start + i)))))
    return all
  }

  async untilLive(isAnswered: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 60_000
    for (let state = ''; state !== 'live';) {
      const { data } = await this.proxy.admin<{ data: { state: { name: string } }[] }>(
        '/internalizations'
      )
      const newest = data.at(-1)?.state
      state = newest?.name ?? ''
      const isOver = ['rejected', 'failed'].includes(state) || Date.now() > deadline
      if (isOver) throw new Error(JSON.stringify(newest))
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    while (!(await isAnswered())) await new Promise((resolve) => setTimeout(resolve, 100))
  }

  /** How many of the requests got another answer than the upstream gives. */
  async wrong(requestOf: (number: number) => object): Promise<number> {
    let wrong = 0
    for (let number = 0; number < ATTEMPTS; number++) {
      const request = requestOf(number) as ChatRequest
      const { message } = await this.ask(request)
      const { message: right } = this.answerTo(request.messages, request) as Asked
      if (message.content !== right.content) wrong++
    }
    return wrong
  }
}

/** All of a request but its texts. */
const kindIn = (request: object): string =>
  JSON.stringify(request, (name, value: unknown) => (name === 'content' ? undefined : value))

describe('a route that was proved with some parameters', () => {
  const PROVED = { reasoning_effort: 'low', stop: ['\n'], max_tokens: 50, x_shop: 1 }
  const requestOf = (number: number, members: object = {}, user: object = { name: 'till' }) => ({
    model: 'gpt-4o-mini',
    ...PROVED,
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: questionOf(number), ...user },
    ],
    ...members,
  })
  const proved = kindIn(requestOf(0))

  const scene = new Scene((messages, request) => {
    const isProved = kindIn(request) === proved
    const content = isProved ? colourIn(messages) : 'another shelf'
    return { message: { role: 'assistant', content }, finish_reason: 'stop' }
  })

  beforeAll(async () => {
    await scene.start(120)
    await scene.many(300, (number) => scene.ask(requestOf(number)))
    await scene.untilLive(async () => (await scene.ask(requestOf(7))).route === 'answered')
  })
  afterAll(() => scene.close())

  it('answers requests with the same', async () => {
    for (let number = 0; number < ATTEMPTS; number++) {
      const { route, message } = await scene.ask(requestOf(number))
      expect([route, message.content]).toEqual(['answered', colourOf(number)])
    }
  })

  it.each<[string, object, object?]>([
    ['without a stop sequence', { stop: undefined }],
    ['with null as the stop sequence', { stop: null }],
    ['with another stop sequence', { stop: [' '] }],
    ['with one more stop sequence', { stop: ['\n', ' '] }],
    ['without a reasoning effort', { reasoning_effort: undefined }],
    ['with null as the reasoning effort', { reasoning_effort: null }],
    ['with an object as the reasoning effort', { reasoning_effort: {} }],
    ['with another name', {}, { name: 'office' }],
    ['without a name', {}, {}],
    ['with null as the name', {}, { name: null }],
    ['with a number as the name', {}, { name: 7 }],
    ['with one more token', { max_tokens: 51 }],
    ['with one token', { max_tokens: 1 }],
    ['with a text as the limit of tokens', { max_tokens: 'abc' }],
    ['without a limit of tokens', { max_tokens: undefined }],
    ['with a limit under its other name', { max_completion_tokens: 1 }],
    ['with a temperature', { temperature: 1 }],
    ['with a text as the temperature', { temperature: 'hot' }],
    ['with a text as the modalities', { modalities: 'audio' }],
    ['with an empty list of tools', { tools: [] }],
    ['with an empty list as the choice of tools', { tool_choice: [] }],
    ['without a member that nobody documents', { x_shop: undefined }],
    ['with another value of such a member', { x_shop: 2 }],
    ['with one more such member', { x_note: 'all to amber' }],
    ['with one more that is false', { x_note: false }],
    ['with one more that is null', { x_note: null }],
  ])('leaves a request %s to the upstream', async (_, members, user) => {
    expect(await scene.wrong((number) => requestOf(number, members, user))).toBe(0)
  })
})

describe('a route that was proved with the results of functions', () => {
  const TOOLS = [{ type: 'function', function: { name: 'find', parameters: { type: 'object' } } }]
  const CALL = { id: 'call_1', type: 'function', function: { name: 'find', arguments: '{}' } }
  const requestOf = (number: number, ...later: object[]) => ({
    model: 'gpt-4o-mini',
    tools: TOOLS,
    messages: [
      { role: 'system', content: PROMPT },
      { role: 'user', content: questionOf(number) },
      ...later,
    ],
  })
  const called = { role: 'assistant', content: null, tool_calls: [CALL] }
  const withResult = (number: number, result: object = {}) =>
    requestOf(number, called, {
      role: 'tool',
      tool_call_id: 'call_1',
      content: found(number),
      ...result,
    })

  const scene = new Scene((messages) => {
    if (messages.length === 2) return { message: called, finish_reason: 'tool_calls' }
    const { role, content, ...rest } = messages.at(-1)!
    const isResult = role === 'tool' && JSON.stringify(rest) === '{"tool_call_id":"call_1"}'
    const answer = isResult
      ? colourIn([messages[0]!, { role, content: content! }])
      : 'another shelf'
    return { message: { role: 'assistant', content: answer }, finish_reason: 'stop' }
  })

  beforeAll(async () => {
    await scene.start(200)
    await scene.many(260, async (number) => {
      await scene.ask(requestOf(number))
      await scene.ask(withResult(number))
    })
    await scene.untilLive(async () => (await scene.ask(withResult(7))).route === 'answered')
  })
  afterAll(() => scene.close())

  it('answers behind a result', async () => {
    for (let number = 0; number < ATTEMPTS; number++) {
      const { route, message } = await scene.ask(withResult(number))
      expect([route, message.content]).toEqual(['answered', colourOf(number)])
    }
  })

  it.each<[string, (number: number) => object]>([
    [
      'with the next question of a user',
      (number) =>
        requestOf(
          number,
          { role: 'assistant', content: 'Which one?' },
          { role: 'user', content: found(number) }
        ),
    ],
    [
      'with the next question of a user instead of a result',
      (number) => requestOf(number, called, { role: 'user', content: found(number) }),
    ],
    [
      'with a result that a user wrote',
      (number) =>
        requestOf(number, called, { role: 'user', content: `[[result]] ${found(number)}` }),
    ],
    [
      'with a call and its result that a client wrote as texts',
      (number) =>
        requestOf(
          number,
          { role: 'assistant', content: '[[call]] find {}' },
          { role: 'user', content: `[[result]] ${found(number)}` }
        ),
    ],
    ['with the result of another call', (number) => withResult(number, { tool_call_id: 'call_2' })],
    [
      'with a member of a result that nobody documents',
      (number) => withResult(number, { is_error: true }),
    ],
  ])('leaves a request %s to the upstream', async (_, one) => {
    expect(await scene.wrong(one)).toBe(0)
  })
})
