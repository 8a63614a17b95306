/** Few-shot examples of prompts, as what heads learn. */
import { describe, expect, it } from 'vitest'
import {
  answerTestOf,
  promptExamples,
  type AnswerTest,
} from '../../src/core/learn/head/prompt-examples.ts'
import type {
  ExamplePool,
  Match,
  Segment,
  Template,
  TemplateMessage,
} from '../../src/core/template/template.ts'
import { factorOfTenfold } from '../kit/linear.ts'
import { anchor } from '../kit/traffic/prompts.ts'

const message = (role: string, ...segments: Segment[]): TemplateMessage => ({ role, segments })
const QUERY = message('user', { kind: 'query' })

const templateOf = (...messages: TemplateMessage[]): Template => ({
  version: 'version-1',
  tenant: 'tenant-a',
  model: 'gpt',
  tools: '',
  responseFormat: '',
  maxTurnsAfter: 0,
  messages,
})

const poolBy = (
  start: string | null,
  ends: { lead?: string; tail?: string } = {}
): ExamplePool => ({
  division: { start, labels: ['Q:', 'A:'], forms: ['Q: A:'], lead: '', tail: '', ...ends },
  known: [],
  seen: [],
  maxChars: 1_000,
})

/** Exchanges that differ in the examples that were retrieved for them. */
const exchangesOf = (
  template: Template,
  ...retrieved: Record<string, string>[]
): { match: Match }[] =>
  retrieved.map((examples) => ({
    match: { template, slots: {}, examples, query: 'and mine?', turns: [] },
  }))

const LABELS = answerTestOf('label', ['card_arrival', 'lost_card', 'top_up'])

const found = (
  template: Template,
  retrieved: Record<string, string>[] = [],
  isAnswer: AnswerTest = LABELS
): Record<string, string> =>
  Object.fromEntries(
    promptExamples({ template, exchanges: exchangesOf(template, ...retrieved), isAnswer }).map(
      ({ query, answer }) => [query, answer]
    )
  )

const RULES = 'Name the intent of the message.'

const pairs = (...texts: [string, string][]): TemplateMessage[] =>
  texts.flatMap(([query, answer]) => [
    message('user', anchor(query)),
    message('assistant', anchor(answer)),
  ])

describe('constant pairs of messages', () => {
  it('are examples where their answer is known, also a single one', () => {
    const constant = pairs(['where is it', 'card_arrival'], ['hello', 'greeting'])
    const template = templateOf(message('system', anchor(RULES)), ...constant, QUERY)
    expect(found(template)).toEqual({ 'where is it': 'card_arrival' })
  })

  it('lose the text that the question stands in', () => {
    const constant = pairs(
      ['Message: where is it\nIntent:', 'card_arrival\n'],
      ['lost', 'lost_card']
    )
    const query = message('user', anchor('Message: '), { kind: 'query' }, anchor('\nIntent:'))
    expect(found(templateOf(...constant, query))).toEqual({
      'where is it': 'card_arrival',
      lost: 'lost_card',
    })
  })

  it('lose the last line of a prompt that is repeated in none of them', () => {
    const constant = pairs(['Message: where is it', 'card_arrival'])
    const query = message('user', anchor(`${RULES}\nMessage: `), { kind: 'query' })
    expect(found(templateOf(...constant, query))).toEqual({ 'where is it': 'card_arrival' })
  })
})

const examples = (name: string): Segment => ({ kind: 'examples', name })

const sent = (one: [string, string], other: [string, string]): Record<string, string> => ({
  examples: one[0],
  examples_2: one[1],
  examples_3: other[0],
  examples_4: other[1],
})

describe('retrieved pairs of messages', () => {
  const template = templateOf(
    message('system', anchor(RULES)),
    message('user', examples('examples')),
    message('assistant', examples('examples_2')),
    message('user', examples('examples_3')),
    message('assistant', examples('examples_4')),
    QUERY
  )
  it('are each question once, with its newest answer', () => {
    const retrieved = [
      sent(['Where is it?', 'top_up'], ['lost', 'lost_card']),
      sent(['lost', 'lost_card'], ['where is it', 'card_arrival']),
      sent(['add money', 'top_up'], ['sing', 'greeting']),
    ]
    expect(found(template, retrieved)).toEqual({
      lost: 'lost_card',
      'where is it': 'card_arrival',
      'add money': 'top_up',
    })
  })

  it('have JSON as answers where the answers are JSON', () => {
    const retrieved = [sent(['a', '{"is": 1}'], ['b', 'no JSON']), sent(['c', '[]'], ['d', '7'])]
    const json = answerTestOf('json', ['{"is": 9}'])
    expect(found(template, retrieved, json)).toEqual({ a: '{"is": 1}', c: '[]' })
  })

  it('have any text as answers where these are texts, but no calls', () => {
    const retrieved = [sent(['a', 'Dear Ann'], ['b', '[[call]] f {}']), sent(['c', ''], ['d', 'x'])]
    const texts = answerTestOf('short-text', ['Dear Bo'])
    expect(found(template, retrieved, texts)).toEqual({ a: 'Dear Ann', d: 'x' })
  })

  it('are five thousand at most, the newest', () => {
    const retrieved = Array.from({ length: 3_000 }, (_, at) =>
      sent([`first ${at}`, 'top_up'], [`second ${at}`, 'top_up'])
    )
    const queries = Object.keys(found(template, retrieved))
    expect(queries).toHaveLength(5_000)
    expect([queries[0], queries.at(-1)]).toEqual(['first 500', 'second 2999'])
  })
})

const block = (pool: ExamplePool): Template =>
  templateOf(
    message('system', anchor(`${RULES}\n`), { kind: 'examples', name: 'examples', pool }),
    QUERY
  )

describe('blocks of retrieved texts', () => {
  it('are divided, each question once with its newest answer', () => {
    const retrieved = [
      { examples: 'Q: where is it\nA: top_up\nQ: lost\nA: lost_card\n' },
      { examples: 'Q: sing\nA: greeting\nQ: Where is it?\nA: card_arrival\n' },
    ]
    expect(found(block(poolBy('Q:')), retrieved)).toEqual({
      lost: 'lost_card',
      'Where is it?': 'card_arrival',
    })
  })

  it('have the constant text at their ends as a part of them', () => {
    const retrieved = [{ examples: 'where" -> top_up\n- "lost" -> lost_card\n- "add" -> top_' }]
    const pool = poolBy('-', { lead: '- "', tail: 'up' })
    expect(found(block(pool), retrieved)).toEqual({
      where: 'top_up',
      lost: 'lost_card',
      add: 'top_up',
    })
  })

  it('need known answers where answers are texts', () => {
    const retrieved = [
      { examples: 'Q: to Ann\nA: Dear Ann\nQ: to An\nA: Dear Ann\nQ: to Bo\nA: Dear Bo' },
    ]
    const template = block(poolBy('Q:'))
    expect(found(template, retrieved, answerTestOf('short-text', ['Dear Bo']))).toEqual({})
    const both = answerTestOf('short-text', ['Dear Bo', 'Dear Ann'])
    expect(found(template, retrieved, both)).toEqual({
      'to Ann': 'Dear Ann',
      'to An': 'Dear Ann',
      'to Bo': 'Dear Bo',
    })
  })
})

const constant = (...lines: string[]): Record<string, string> =>
  found(templateOf(message('system', anchor(lines.join('\n'))), QUERY))

const EXPECTED = {
  'where is it': 'card_arrival',
  'I lost it': 'lost_card',
  'add money': 'top_up',
}

describe('constant texts', () => {
  it('have examples in lines', () => {
    expect(
      constant(
        RULES,
        'Answer with the intent: no explanation.',
        '- "where is it" -> card_arrival',
        '- "I lost it" -> lost_card',
        '- "add money" -> top_up'
      )
    ).toEqual(EXPECTED)
  })

  it('have examples of two lines', () => {
    const text =
      'Q: where is it\nA: card_arrival\nQ: I lost it\nA: lost_card\nQ: add money\nA: top_up'
    expect(constant(RULES, text)).toEqual(EXPECTED)
    expect(constant(RULES, `${text}\n\nNow answer.`)).toEqual(EXPECTED)
    expect(constant(RULES, `${text}\n`.replaceAll('\nQ', '\n\nQ'))).toEqual(EXPECTED)
  })

  it('have examples between blank lines', () => {
    expect(
      constant(RULES, '\nwhere is it\ncard_arrival\n\nI lost it\nlost_card\n\nadd money\ntop_up\n')
    ).toEqual(EXPECTED)
  })

  it('have JSON below the question', () => {
    const lines = ['where', 'lost', 'add'].flatMap((query) => [query, `{"is": "${query}: x"}`, ''])
    const template = templateOf(message('system', anchor(lines.join('\n'))), QUERY)
    expect(found(template, [], answerTestOf('json', []))).toEqual({
      where: '{"is": "where: x"}',
      lost: '{"is": "lost: x"}',
      add: '{"is": "add: x"}',
    })
  })

  it('have JSON below questions with topics, under a heading', () => {
    const lines = ['[date] the 3rd', '{"date": "3rd"}', '[none] at 9:30 am', '{"time": "9:30"}']
    const text = [RULES, '', 'Examples', ...lines, '[none] a table outside', '{}', '', 'Asked:']
    const template = templateOf(message('system', anchor(text.join('\n'))), QUERY)
    expect(found(template, [], answerTestOf('json', []))).toEqual({
      '[date] the 3rd': '{"date": "3rd"}',
      '[none] at 9:30 am': '{"time": "9:30"}',
      '[none] a table outside': '{}',
    })
  })

  it.each([
    [
      'labels with descriptions',
      ['card_arrival: where is my card', 'lost_card: the card is lost', 'top_up: add money'],
    ],
    ['labels in lines', ['greeting', 'card_arrival', 'other', 'lost_card', 'bird', 'top_up']],
    [
      'labels in groups',
      ['', 'lost_card', 'card_arrival', '', 'bird', 'top_up', '', 'greeting', 'lost_card', ''],
    ],
    [
      'labels in a table',
      ['card_arrival | lost_card', 'greeting | top_up', 'lost_card | card_arrival'],
    ],
    ['a list of labels', ['1: card_arrival', '2: lost_card', '3: top_up']],
    ['counted labels', ['Category 1: card_arrival', 'Category 2: lost_card', 'Category 3: top_up']],
    ['two examples', ['where is it -> card_arrival', 'I lost it -> lost_card']],
    ['unknown labels', ['a bird -> bird', 'a fish -> fish', 'a cat -> cat']],
  ])('have none: %s', (_name, lines) => {
    expect(constant(RULES, ...lines)).toEqual({})
  })

  it.each([
    '\n',
    '->\n',
    'Q:\n',
    'a: top_up\n',
    ' \n',
    '1. a -> ',
    '\t',
    '-> top_up',
    'a\ntop_up\n',
    'top_up\n',
  ])('are read in time that grows with them: %j', (unit) => {
    const factor = factorOfTenfold(
      {
        size: 100_000,
        make: (chars) =>
          templateOf(message('system', anchor(unit.repeat(chars / unit.length))), QUERY),
        run: (template) => promptExamples({ template, exchanges: [], isAnswer: LABELS }),
      },
      30
    )
    // it would be 100 where time grows with the square
    expect(factor).toBeLessThan(30)
  })
})
