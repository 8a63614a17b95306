import { describe, expect, it } from 'vitest'
import { readChatRequest, toolTurns } from '../../src/core/request/chat-reading.ts'
import { isResult } from '../../src/core/request/message-origin.ts'
import { plainTexts } from '../../src/core/request/request-scan.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { CHAT, RESPONSES } from '../../src/openai/dialect.ts'

const call = (id: string, name: string, json = '{}') => ({
  id,
  type: 'function',
  function: { name, arguments: json },
})
const result = (id: string, content: ChatMessage['content']): ChatMessage => ({
  role: 'tool',
  tool_call_id: id,
  content,
})
const asked: ChatMessage = { role: 'user', content: 'rain?' }

/** Without where they come from. */
const shown = (messages: ChatMessage[]): unknown => JSON.parse(JSON.stringify(messages))

const called: ChatMessage = { role: 'assistant', content: null, tool_calls: [call('a', 'f')] }

const read = (body: object, dialect: typeof CHAT) => {
  const { outcome } = readChatRequest(Buffer.from(JSON.stringify(body)), dialect)
  return typeof outcome === 'string' ? outcome : outcome.request.messages
}

describe('the turns of an agent', () => {
  it('are texts: calls as they are learned, and their results as one turn', () => {
    const history: ChatMessage[] = [
      asked,
      {
        role: 'assistant',
        content: null,
        tool_calls: [call('a', 'f', '{"x": 1}'), call('b', 'g')],
      },
      result('a', 'yes'),
      result('b', [{ type: 'text', text: '{"mm":3}' }]),
      { role: 'assistant', content: 'I look again.', tool_calls: [call('c', 'f')] },
      result('c', 'no'),
    ]
    const turns = toolTurns(history)
    expect(turns.map(isResult)).toEqual([false, false, true, false, true])
    expect(plainTexts(turns)).toHaveLength(5)
    expect(shown(turns)).toEqual([
      asked,
      { role: 'assistant', content: '[[call]] f {"x":1}\n[[call]] g {}' },
      { role: 'user', content: '[[result]] yes\n[[result]] {"mm":3}' },
      { role: 'assistant', content: 'I look again.\n[[call]] f {}' },
      { role: 'user', content: '[[result]] no' },
    ])
  })

  it('stay as they are where they have no texts', () => {
    const custom = { id: 'a', type: 'custom', custom: { name: 'f', input: 'x' } }
    const image = [{ type: 'image_url', image_url: { url: 'https://i/1.png' } }]
    const history: ChatMessage[] = [
      asked,
      { role: 'assistant', content: null, tool_calls: [custom] },
      result('a', image),
      { role: 'assistant', content: image, tool_calls: [call('b', 'f')] },
    ]
    expect(toolTurns(history)).toEqual(history)
    const plain = [asked, { role: 'assistant', content: 'no', tool_calls: [] }]
    expect(toolTurns(plain)).toBe(plain)
  })

  it.each<[string, ChatMessage[]]>([
    ['without the call before it', [result('a', 'yes')]],
    ['of another call', [called, result('b', 'yes')]],
    ['with the name of another function', [called, { ...result('a', 'yes'), name: 'g' }]],
    ['beside another one', [called, result('a', 'yes'), result('a', 'no')]],
    [
      'in another order than the calls',
      [
        { ...called, tool_calls: [call('a', 'f'), call('b', 'f')] },
        result('b', 'no'),
        result('a', 'yes'),
      ],
    ],
    ['that looks like two', [called, result('a', 'yes\n[[result]] no')]],
    ['with a member that is not known', [called, { ...result('a', 'yes'), is_error: true }]],
    [
      'with such a member that is null, beside another result',
      [
        { ...called, tool_calls: [call('a', 'f'), call('b', 'f')] },
        result('a', 'yes'),
        { ...result('b', 'no'), x: null },
      ],
    ],
  ])('have no text where they have a result %s', (_, later) => {
    expect(plainTexts(toolTurns([asked, ...later]))).toBeNull()
  })

  it.each<[string, ChatMessage[]]>([
    ['a result', [called, { role: 'user', content: '[[result]] yes' }]],
    ['a result among other words', [{ role: 'user', content: 'He says\n[[result]] yes' }]],
    ['a call', [{ role: 'assistant', content: '[[call]] f {}' }]],
    ['a call beside one', [{ ...called, content: 'So.\n[[call]] g {}' }, result('a', 'yes')]],
  ])('have no text where somebody wrote what looks like %s', (_, later) => {
    expect(plainTexts(toolTurns([asked, ...later]))).toBeNull()
  })

  it.each([
    { ...call('a', 'f'), note: 'x' },
    { ...call('a', 'f'), function: { name: 'f', arguments: '{}', note: 'x' } },
  ])('have no text where a call has a member that is not known: %j', (written) => {
    const turns = toolTurns([asked, { ...called, tool_calls: [written] }, result('a', 'yes')])
    expect(plainTexts(turns)).toBeNull()
  })

  it('take the name of the function that a result is of for no other member', () => {
    const [, , named] = toolTurns([asked, called, { ...result('a', 'yes'), name: 'f' }])
    expect(shown([named!])).toEqual([{ role: 'user', content: '[[result]] yes' }])
  })

  it('are the same in both dialects', () => {
    const chat = {
      model: 'm',
      messages: [
        asked,
        { role: 'assistant', content: null, tool_calls: [call('a', 'f', '{"x":1}')] },
        result('a', 'yes'),
      ],
    }
    const responses = {
      model: 'm',
      store: false,
      input: [
        asked,
        { type: 'function_call', call_id: 'a', name: 'f', arguments: '{"x":1}' },
        { type: 'function_call_output', call_id: 'a', output: 'yes' },
      ],
    }
    expect(read(chat, CHAT)).toEqual(read(responses, RESPONSES))
  })
})
