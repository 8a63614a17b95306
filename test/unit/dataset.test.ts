import { expect, it } from 'vitest'
import { normalizeQuery, queryKey, repeatsOf, trainingRow } from '../../src/core/learn/dataset.ts'
import { EMPTY_PROMPT } from '../../src/core/template/prompt.ts'
import type { Match } from '../../src/core/template/template.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { anchor, slot } from '../kit/traffic/prompts.ts'

const segments = [
  anchor('Requested: '),
  slot('requested'),
  slot('plan'),
  slot('date', { kept: false }),
]

const matchOf = (slots: Record<string, string>, ...turns: string[]): Match => ({
  template: {
    ...exampleTemplate(),
    messages: [
      { role: 'system', segments },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
  },
  slots,
  examples: {},
  query: 'four',
  turns: turns.map((content) => ({ role: 'user', content })),
})

const exchange = (i: number, query = `question number ${i}`, conversation = `chat-${i}`) => ({
  id: `id-${String(i).padStart(4, '0')}`,
  at: 1000 + i,
  conversation,
  query,
})

const isSame = (a: { answer: string }, b: { answer: string }) => a.answer === b.answer

const keyOf = (query: string): string => queryKey(exchange(0, query))

it('two queries are one question when they differ in case, blanks and signs alone', () => {
  expect(keyOf('Red,  or blue?')).toBe(keyOf('red or blue'))
  expect(keyOf('red')).not.toBe(keyOf('blue'))
  expect(['?', '!'].map(keyOf)).toEqual(['?', '!'])
})

it('counts repeated questions and those whose answers changed, the most frequent first', () => {
  const answers = {
    'hours?': ['nine', 'nine'],
    'price?': ['ten', 'ten', 'twelve'],
    'open?': ['yes', 'no', 'yes', 'no'],
    'once?': ['a'],
  }
  const rows = Object.entries(answers).flatMap(([query, all], place) =>
    all.map((answer, i) => ({ ...exchange(10 * place + i, query), answer }))
  )
  expect(repeatsOf(rows.toReversed(), isSame)).toEqual({
    questions: 3,
    changed: 2,
    changedShare: 0.7,
    examples: ['id-0023', 'id-0012'],
  })
  const often = Array.from({ length: 24 }, (_, i) => ({
    ...exchange(i, `q${i % 12}`),
    answer: `${i}`,
  }))
  expect(repeatsOf(often, isSame)).toMatchObject({ changed: 12, examples: { length: 10 } })
  expect(repeatsOf([], isSame)).toMatchObject({ questions: 0, changedShare: 0 })
})

it('folds case, width, blanks and punctuation of a query', () => {
  expect(normalizeQuery('  Where’s my ＣＡＲＤ?\n')).toBe('where s my card')
})

it('trains with the logged answer, byte for byte, whatever the stage', () => {
  const answer = ' {"b": 1,\t"a": 2}\n'
  const last = { role: 'assistant', content: answer }
  const user = { role: 'user', content: 'requested: people\nplan: \nfour' }
  const match = matchOf({ requested: 'people', date: 'today' })
  expect(trainingRow(match, EMPTY_PROMPT, answer).messages).toEqual([user, last])
  const full = trainingRow(match, { ...EMPTY_PROMPT, template: 'Rules.' }, answer)
  expect(full.messages).toEqual([{ role: 'system', content: 'Rules.' }, user, last])
})
