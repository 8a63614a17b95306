/**
 * A route answers only the kinds of requests that its proof contained: the real server with its worker and the
 * fake engine, and an upstream whose answer depends on every member of a request.
 */
import { beforeAll, describe, expect, it } from 'vitest'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { ATTEMPTS, Scene, type Sent } from '../kit/whole/scene.ts'
import { colourOf, COLOURS, PROMPT, questionOf } from '../kit/records/paint-orders.ts'
import { inTens } from '../kit/traffic/lanes.ts'

/** What a function says. */
const found = (number: number): string =>
  JSON.stringify({ customer: 'ann', colour: colourOf(number) })
/** Of the last order that a conversation is about. */
const colourIn = (messages: ChatMessage[]): string =>
  COLOURS.findLast((colour) => JSON.stringify(messages.slice(1)).includes(colour))!

/** A scene whose upstream answers by a function, and how many requests get another answer than the function's. */
const sceneOf = (answerTo: (request: ChatRequest) => string | object) => {
  const scene = new Scene(({ body }) => answerTo(JSON.parse(body.toString()) as ChatRequest))
  const wrong = async (requestOf: (number: number) => object): Promise<number> => {
    let count = 0
    for (let number = 0; number < ATTEMPTS; number++) {
      const request = requestOf(number)
      const { answer } = await scene.ask(sent(request))
      if (answer !== answerTo(request as ChatRequest)) count++
    }
    return count
  }
  return { scene, wrong }
}

const sent = (request: object): Sent => ({ body: JSON.stringify(request) })

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

  const { scene, wrong } = sceneOf((request) =>
    kindIn(request) === proved ? colourIn(request.messages) : 'another shelf'
  )

  scene.useLive((number) => sent(requestOf(number)))

  it('answers requests with the same', async () => {
    for (let number = 0; number < ATTEMPTS; number++) {
      const { route, answer } = await scene.ask(sent(requestOf(number)))
      expect([route, answer]).toEqual(['answered', colourOf(number)])
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
    expect(await wrong((number) => requestOf(number, members, user))).toBe(0)
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

  const { scene, wrong } = sceneOf(({ messages }) => {
    if (messages.length === 2) return { message: called, finish_reason: 'tool_calls' }
    const { role, content, ...rest } = messages.at(-1)!
    const isResult = role === 'tool' && JSON.stringify(rest) === '{"tool_call_id":"call_1"}'
    return isResult ? colourIn([messages[0]!, { role, content: content! }]) : 'another shelf'
  })

  beforeAll(async () => {
    await scene.start(loopSettings({ promotes: true, trainRows: 200 }))
    await inTens(260, async (number) => {
      await scene.ask(sent(requestOf(number)))
      await scene.ask(sent(withResult(number)))
    })
    await scene.untilLive((number) => sent(withResult(number)))
  })

  it('answers behind a result', async () => {
    for (let number = 0; number < ATTEMPTS; number++) {
      const { route, answer } = await scene.ask(sent(withResult(number)))
      expect([route, answer]).toEqual(['answered', colourOf(number)])
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
    expect(await wrong(one)).toBe(0)
  })
})
