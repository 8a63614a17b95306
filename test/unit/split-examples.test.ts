/** Texts of few-shot examples, divided into questions and answers. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { splitExamples } from '../../src/core/template/split-examples.ts'
import { factorOfTenfold } from '../kit/linear.ts'

const LABELS = new Set(['card_arrival', 'lost_card', 'exchange rate', 'top_up'])
const isLabel = (text: string): boolean => LABELS.has(text)

const isJson = (text: string): boolean => {
  try {
    return typeof JSON.parse(text) === 'object'
  } catch {
    return false
  }
}

const QUESTIONS = ['where is my card', 'my card: it is lost, help', 'what = the rate today?']
const ANSWERS = ['card_arrival', 'lost_card', 'exchange rate']
const EXPECTED = QUESTIONS.map((query, at) => ({ query, answer: ANSWERS[at]! }))

type Write = (query: string, answer: string, at: number) => string

const written = (write: Write): string[] =>
  QUESTIONS.map((query, at) => write(query, ANSWERS[at]!, at))

const WAYS: [string, Write][] = [
  ['an arrow, with quotes', (query, answer) => `"${query}" -> "${answer}"`],
  ['an arrow without blanks', (query, answer) => `${query}=>${answer}`],
  ['a long arrow', (query, answer) => `${query} --> ${answer}`],
  ['an arrow of one character, with a backtick', (query, answer) => `“${query}” → \`${answer}\``],
  ['bullets', (query, answer) => `- ${query}: ${answer}`],
  ['numbers', (query, answer, at) => `${at + 1}. '${query}' | ${answer}`],
  ['a tab', (query, answer) => `${query}\t${answer}`],
  ['a table', (query, answer) => `${query} | ${answer}`],
  ['a comma behind it', (query, answer) => `"${query}": "${answer}",`],
  ['labels over two lines', (query, answer) => `Q: ${query}\nA: ${answer}`],
  ['Windows lines', (query, answer) => `Q: ${query}\r\nA: ${answer}\r\n`],
  ['labels in bold', (query, answer) => `**Question:** ${query}\n**Answer:** ${answer}`],
  ['the answer below its label', (query, answer) => `Text: ${query}\nIntent:\n${answer}`],
  ['labels on one line', (query, answer) => `Text: ${query} | Intent: ${answer}`],
  ['labels on one line without a bar', (query, answer) => `Text: ${query} Intent: ${answer}`],
  ['counted examples', (query, answer, at) => `Example ${at}:\nQ: ${query}\nA: ${answer}`],
  ['headings', (query, answer, at) => `### Example ${at + 1}\nQ: ${query}\nA: ${answer}`],
  ['a shared topic', (query, answer) => `[bank] ${query} -> ${answer}`],
  ['the next line', (query, answer) => `${query}\n${answer}`],
]

describe('items of few-shot examples', () => {
  it.each(WAYS)('are divided: %s', (_name, write) => {
    expect(splitExamples(written(write), isLabel)).toEqual(EXPECTED)
  })

  it('keep a topic that differs, and JSON on the next line as it is', () => {
    const items = [
      '[people] call Ann: now\n{"verb": "call", "who": {"name": "Ann"}}',
      '[rooms] book the red room\n{"verb": "book", "list": [{"at": "9:00"}]}',
      '[people] greet Bo\n[]',
    ]
    expect(splitExamples(items, isJson)).toEqual(
      items.map((item) => {
        const [query, answer] = item.split('\n')
        return { query, answer }
      })
    )
  })

  it('have JSON behind a label, over several lines', () => {
    const json = JSON.stringify({ verb: 'call', who: { name: 'Ann', at: [{ hour: 9 }] } }, null, 2)
    const items = ['a call', 'two calls', 'three calls'].map(
      (query) => `Input: ${query}\nOutput:\n${json}`
    )
    expect(splitExamples(items, isJson)).toEqual([
      { query: 'a call', answer: json },
      { query: 'two calls', answer: json },
      { query: 'three calls', answer: json },
    ])
  })

  it('keep questions of several lines, and numbers that are part of them', () => {
    const items = ANSWERS.map((answer, at) => `Order ${at}: one card\nfor 12:30 -> ${answer}`)
    expect(splitExamples(items, isLabel).map(({ query }) => query)).toEqual([
      'Order 0: one card\nfor 12:30',
      'Order 1: one card\nfor 12:30',
      'Order 2: one card\nfor 12:30',
    ])
  })

  it('are those with the most frequent separator, where there are three', () => {
    const items = written((query, answer) => `${query} -> ${answer}`)
    const others = ['lost it: lost_card', 'when: card_arrival']
    expect(splitExamples([...others, ...items], isLabel)).toEqual(EXPECTED)
    expect(splitExamples([...others, ...items.slice(1)], isLabel)).toEqual([])
  })

  it.each([
    ['labels with descriptions', (query, answer) => `${answer}: ${query}`],
    ['answers that are not known', (query) => `${query} -> another_one`],
    ['a part of a word', (query, answer) => `${query} -> not_${answer}`],
    ['numbered labels', (_query, answer, at) => `${at + 1}: ${answer}`],
    ['labels alone', (_query, answer) => `Label: ${answer}`],
    ['nothing before the answer', (_query, answer) => `- "" -> ${answer}`],
  ] as [string, Write][])('are none: %s', (_name, write) => {
    expect(splitExamples(written(write), isLabel)).toEqual([])
  })

  it('give questions without blanks around them, and answers that are ones', () => {
    const part = fc.constantFrom(
      'a b',
      'top_up',
      ':',
      '->',
      '\n',
      '\t',
      '"',
      '**',
      'Q:',
      '[x]',
      '1. '
    )
    const item = fc.array(part, { maxLength: 8 }).map((parts) => parts.join(' '))
    fc.assert(
      fc.property(fc.array(item, { maxLength: 6 }), (items) => {
        for (const { query, answer } of splitExamples(items, isLabel)) {
          expect(isLabel(answer)).toBe(true)
          expect(query).toBe(query.trim())
          expect(query).not.toBe('')
        }
      }),
      { numRuns: 1000 }
    )
  })
})

/** Characters that are read as answers. */
const readIn = (items: string[]): number => {
  let read = 0
  splitExamples(items, (text) => {
    read += text.length
    return false
  })
  return read
}

describe('hostile items', () => {
  const UNITS = ['->', ':', '\n', '\t', ': ', '= x', '\n \t', '" -> ', ':{"a"', ':[', ':{}', 'a:\n']

  it.each(UNITS)('are read in proportion to their length: %j', (unit) => {
    const times = (chars: number): string => unit.repeat(Math.floor(chars / unit.length))
    for (const chars of [1_000, 16_000]) {
      expect(readIn([times(chars)])).toBeLessThanOrEqual(16 * chars + 4_096)
      expect(readIn([`${times(chars)}}`])).toBeLessThanOrEqual(16 * (chars + 1) + 4_096)
    }
    // a megabyte is no example
    expect(readIn([times(1_000_000)])).toBe(0)
  })

  it.each(UNITS)('take time in proportion to their length: %j', (unit) => {
    const factor = factorOfTenfold(
      {
        size: 1_600,
        make: (chars) => Array<string>(40).fill(unit.repeat(chars / unit.length)),
        run: (items) => splitExamples(items, () => false),
      },
      30
    )
    // it would be 100 where time grows with the square
    expect(factor).toBeLessThan(30)
  })

  it('are bounded together', () => {
    const item = `${'where '.repeat(1_000)}-> top_up`
    // four million characters of six
    const questions = Array.from({ length: 1_000 }, (_, at) => `${at} ${item}`)
    const found = splitExamples(questions, isLabel)
    expect(found.length).toBeLessThan(700)
    expect(found.at(-1)!.query).toMatch(/^999 /u)
  })
})
