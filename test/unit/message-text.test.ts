import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { messagesText } from '../../src/openai/message-text.ts'

const message = fc.record({
  role: fc.constantFrom('system', 'user', 'assistant'),
  content: fc.stringMatching(/^(?:[a<|>\n]|<\|user\|>|<\|assistant\|>\n){0,6}$/u),
})

it('is the content of a message alone', () => {
  expect(messagesText([{ role: 'user', content: 'Which shelf?\nQuickly' }])).toBe(
    'Which shelf?\nQuickly'
  )
})

it('tells a line of the user from a turn of the conversation', () => {
  const turns = [
    { role: 'user', content: 'Which shelf?' },
    { role: 'assistant', content: 'black' },
    { role: 'user', content: 'Sure?' },
  ]
  expect(messagesText([{ role: 'user', content: 'Which shelf?\nblack\nSure?' }])).not.toBe(
    messagesText(turns)
  )
  expect(messagesText([{ role: 'user', content: messagesText(turns) }])).not.toBe(
    messagesText(turns)
  )
  expect(messagesText([turns[0]!, { role: 'user', content: 'black\nSure?' }])).not.toBe(
    messagesText(turns)
  )
})

it('is of no two conversations', () => {
  const conversation = fc.array(message, { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(conversation, conversation, (one, other) => {
      // the role of a message alone is the user's
      const known = [one, other].map((all) =>
        JSON.stringify(all.length === 1 ? [all[0]!.content] : all)
      )
      expect(messagesText(one) === messagesText(other)).toBe(known[0] === known[1])
    }),
    { numRuns: 3000 }
  )
})
