/** What an official client adds to an answer that it sends back, in both dialects. */
import { describe, expect, it } from 'vitest'
import { plainTexts } from '../../src/core/request/request-scan.ts'
import { toolTurns } from '../../src/core/request/chat-reading.ts'
import { toldMembers } from '../../src/core/route/request-kind.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { RESPONSES } from '../../src/openai/dialect.ts'

const JSON_TEXT = '{"label":"late","tags":[1,{"b":null}]}'
const PARSED = { tags: [1, { b: null }], label: 'late' }

const told = (message: ChatMessage): unknown =>
  plainTexts([message]) === null ? 'unread' : toldMembers([message], [message.role])

const answer = (members: object): ChatMessage => ({
  role: 'assistant',
  content: JSON_TEXT,
  ...members,
})

const callWith = (parsed: unknown) => ({
  id: 'call_1',
  type: 'function',
  function: { name: 'f', arguments: '{"a":1}', parsed_arguments: parsed },
})

const turnWith = (parsed: unknown) =>
  toolTurns([{ role: 'assistant', content: null, annotations: [], tool_calls: [callWith(parsed)] }])

describe('a message of the assistant', () => {
  it.each([
    { annotations: [] },
    { refusal: null, audio: null, function_call: null, tool_calls: null },
    { tool_calls: [] },
    { parsed: null },
    { parsed: PARSED },
  ])('is the text alone with %j', (members) => {
    expect(told(answer(members))).toEqual({})
  })

  it.each([
    { annotations: [{ type: 'url_citation' }] },
    { refusal: 'no' },
    { refusal: [] },
    { audio: { id: 'audio_1' } },
    { function_call: { name: 'f', arguments: '{}' } },
    { parsed: { ...PARSED, label: 'lost' } },
    { parsed: [] },
    { unknown: [] },
  ])('says more with %j', (members) => {
    expect(told(answer(members))).toBe('unread')
  })

  it('has calls whose arguments the client has read', () => {
    for (const parsed of [null, { a: 1 }])
      expect(plainTexts(turnWith(parsed))).toEqual(['[[call]] f {"a":1}'])
    expect(plainTexts(turnWith({ a: 2 }))).toBeNull()
  })
})

const inParts = (role: string, members: object): ChatMessage => ({
  role,
  content: [{ type: 'text', text: JSON_TEXT, ...members }],
})

describe('a part of an answer', () => {
  it.each([
    { role: 'assistant', refusal: null, annotations: [] },
    { logprobs: [] },
    { parsed: PARSED },
  ])('is its text alone with %j', (members) => {
    expect(plainTexts([inParts('assistant', members)])).toEqual([JSON_TEXT])
  })

  it.each([
    { role: 'user' },
    { refusal: 'no' },
    { annotations: [{ type: 'url_citation' }] },
    { parsed: [] },
    { unknown: [] },
  ])('says more with %j', (members) => {
    expect(plainTexts([inParts('assistant', members)])).toBeNull()
  })
})

it('a message of the user has no such members', () => {
  expect(plainTexts([{ role: 'user', content: 'hi', annotations: [] }])).toBeNull()
  for (const members of [{ role: 'user' }, { annotations: [] }, { refusal: null }])
    expect(plainTexts([inParts('user', members)])).toBeNull()
})

const messagesOf = (item: object) =>
  RESPONSES.requestOf({ model: 'm', input: [{ role: 'user', content: 'hi' }, item] })?.messages[1]

describe('an item of a response', () => {
  it.each([
    { annotations: [], logprobs: [] },
    { annotations: [], parsed: null },
    { annotations: [], parsed: PARSED },
  ])('is its text alone with %j', (members) => {
    const part = { type: 'output_text', text: JSON_TEXT, ...members }
    const item = { id: 'msg_1', type: 'message', status: 'completed', role: 'assistant' }
    expect(messagesOf({ ...item, content: [part] })).toEqual({
      role: 'assistant',
      content: JSON_TEXT,
    })
  })

  it.each([null, { a: 1 }])('is its call alone with parsed arguments %j', (parsed) => {
    const call = { type: 'function_call', call_id: 'c', name: 'f', arguments: '{"a":1}' }
    expect(
      messagesOf({ ...call, id: 'fc_1', status: 'completed', parsed_arguments: parsed })
    ).toEqual(messagesOf(call))
  })
})
