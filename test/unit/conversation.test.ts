import { describe, expect, it } from 'vitest'
import { withConversations } from '../../src/core/rollout/population.ts'
import { conversationKeys, type Turn } from '../../src/core/request/conversation.ts'
import { exampleTemplate } from '../kit/records/examples.ts'

/** The turns of one chat as a client sends them: each with all that was said before. */
const chat = (name: string, said: string[]): Turn[] => {
  const [opening = '', ...rest] = said
  return Array.from({ length: Math.ceil(said.length / 2) }, (_, k) => ({
    id: `${name}-${k}`,
    opening,
    turns: rest.slice(0, 2 * k).map((content, i) => ({
      role: i % 2 === 0 ? 'assistant' : 'user',
      content,
    })),
    answer: said[2 * k + 1] ?? null,
  }))
}

describe('conversationKeys', () => {
  it('gives all turns of a conversation one key, and two conversations different keys', () => {
    const turns = [
      ...chat('a', ['where is it?', 'which order?', 'order 7', 'on its way', 'thanks', 'welcome']),
      ...chat('b', ['refund please', 'why?', 'broken', 'done']),
    ]
    expect(conversationKeys(turns)).toEqual(['a-0', 'a-0', 'a-0', 'b-0', 'b-0'])
  })

  it('separates conversations with the same greeting from the turn where they differ', () => {
    const first = chat('a', ['hi', 'hello!', 'order 7', 'on its way', 'when?', 'tomorrow'])
    const second = chat('b', ['hi', 'hello!', 'refund', 'why?', 'broken', 'done'])
    const turns = [first[0]!, second[0]!, first[1]!, second[1]!, second[2]!, first[2]!]
    const keys = conversationKeys(turns)
    expect(keys[5]).toBe(keys[2])
    expect(keys[4]).toBe(keys[3])
  })

  it('finds the conversation of a turn whose predecessor is not in the log', () => {
    const [first, , third] = chat('a', ['one?', '1', 'two?', '2', 'three?', '3'])
    expect(conversationKeys([first!, third!])).toEqual(['a-0', 'a-0'])
    const [, second, last] = chat('b', ['one?', '1', 'two?', '2', 'three?', '3'])
    expect(conversationKeys([second!, last!])).toEqual(['b-1', 'b-1'])
  })

  it('finds the conversation of a history without its beginning', () => {
    const [first, second] = chat('a', ['one?', '1', 'two?', '2', 'three?', '3'])
    const cut: Turn = {
      id: 'cut',
      opening: 'two?',
      turns: [
        { role: 'assistant', content: '2' },
        { role: 'user', content: 'three?' },
      ],
      answer: '3',
    }
    expect(conversationKeys([first!, second!, cut])).toEqual(['a-0', 'a-0', 'a-0'])
  })

  it('separates single questions that recur', () => {
    const turns = Array.from({ length: 3 }, (_, i) => chat(`chat-${i}`, ['hours?', 'nine'])[0]!)
    expect(new Set(conversationKeys(turns)).size).toBe(3)
  })

  it('follows a history whose answer has other spaces around it', () => {
    const [first, second] = chat('a', ['one?', '1', 'two?', '2'])
    expect(conversationKeys([{ ...first!, answer: ' 1\n' }, second!])).toEqual(['a-0', 'a-0'])
  })
})

describe('withConversations', () => {
  it('keeps the turns together whose answers a move has bought, though they repeat the old answers', () => {
    const old = chat('a', ['which one?', 'order 7', 'and now?', 'it left', 'when?', 'today'])
    const exchanges = old.map(({ id, opening, turns }) => ({
      id,
      match: {
        template: exampleTemplate(),
        slots: {},
        examples: {},
        query: opening,
        turns: [...turns],
      },
      outcome: { kind: 'text' as const, text: `the new answer to ${id}` },
    }))
    const bought = exchanges.map((one) => ({ ...one, bought: { conversation: 'a-0' } }))
    const keysOf = (all: typeof exchanges) => withConversations(all).map((one) => one.conversation)
    expect(keysOf(exchanges)).toEqual(['a-0', 'a-1', 'a-1'])
    expect(keysOf(bought)).toEqual(['a-0', 'a-0', 'a-0'])
  })
})
