import { describe, expect, it } from 'vitest'
import { readChatRequest } from '../../src/core/request/chat-reading.ts'
import { toolTurns } from '../../src/core/request/tool-turns.ts'
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
    expect(toolTurns(history)).toEqual([
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

  it('are not joined with what a user wrote like a result', () => {
    const written: ChatMessage = { role: 'user', content: '[[result]] yes' }
    expect(toolTurns([written, result('a', 'no')])).toEqual([
      written,
      { role: 'user', content: '[[result]] no' },
    ])
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
