import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  compressTemplate,
  constantExamples,
  leastEffectFirst,
  sentencesOf,
} from '../../src/core/learn/compress.ts'
import type { Template, TemplateMessage } from '../../src/core/template/template.ts'
import { anchor, slot } from '../kit/traffic/prompts.ts'

const templateOf = (messages: TemplateMessage[]): Template => ({
  tenant: 't',
  model: 'm',
  tools: '',
  responseFormat: '',
  version: 'v',
  messages,
  maxTurnsAfter: 0,
})

const RULES = `You are the routing step. Read the message and return one label.

Labels
Cash: atm_support, pending_cash_withdrawal
Answer as {"label": "..."} only.

Rules
- If two fit, take the more specific one.
- Never explain. Never apologise!
1. Keep the case as it is.
`

const support = templateOf([
  {
    role: 'system',
    segments: [
      anchor('Date: '),
      slot('date', { kept: false }),
      anchor(` | Queue: retail\n\n${RULES}`),
    ],
  },
  { role: 'user', segments: [anchor('Where is my cash?')] },
  { role: 'assistant', segments: [anchor('atm_support')] },
  { role: 'user', segments: [anchor('Request: '), { kind: 'query' }, anchor('\nLabel:')] },
])

const flag = (start: string) =>
  sentencesOf(support).find((sentence) => sentence.text.startsWith(start))!.protected

describe('sentencesOf', () => {
  it('joins to the text of the template, slots by name, messages apart by a blank line', () => {
    const text = sentencesOf(support)
      .map((sentence) => sentence.text)
      .join('')
    expect(text).toBe(`Date: {date} | Queue: retail\n\n${RULES}\n\nRequest: {query}\nLabel:`)
  })

  it('cuts at sentences, bullets and lines', () => {
    const texts = sentencesOf(support).map((sentence) => sentence.text.trim())
    expect(texts).toContain('You are the routing step.')
    expect(texts).toContain('Read the message and return one label.')
    expect(texts).toContain('Never apologise!')
    expect(texts).toContain('1. Keep the case as it is.')
  })

  it('protects slots, labels, JSON keys and numbers, but not the number of a list item', () => {
    expect(flag('Date:')).toBe(true)
    expect(flag('Cash:')).toBe(true)
    expect(flag('Answer as')).toBe(true)
    expect(flag('Request:')).toBe(true)
    expect(flag('1. Keep')).toBe(false)
    expect(flag('You are')).toBe(false)
  })

  it('leaves few-shot pairs to the examples', () => {
    expect(constantExamples(support)).toEqual([
      { query: 'Where is my cash?', answer: 'atm_support' },
    ])
    expect(sentencesOf(support).some(({ text }) => text.includes('Where is my cash'))).toBe(false)
  })

  it('has no text where a message is the query alone', () => {
    const bare = templateOf([{ role: 'user', segments: [{ kind: 'query' }] }])
    expect(sentencesOf(bare)).toEqual([])
  })

  it('loses no character of any text', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (text) => {
        fc.pre(text.trim() !== '')
        const template = templateOf([{ role: 'system', segments: [anchor(text)] }])
        expect(
          sentencesOf(template)
            .map((sentence) => sentence.text)
            .join('')
        ).toBe(text)
      })
    )
  })
})

describe('leastEffectFirst', () => {
  it('drops the least useful first, the later one first where equal, protected ones last', () => {
    expect(leastEffectFirst([0.5, 0.1, 0.1, -1], [false, false, false, true])).toEqual([2, 1, 0, 3])
  })
})

describe('compressTemplate', () => {
  const sentences = sentencesOf(support)
  const tokens = sentences.map(({ text }) => Math.ceil(text.length / 4))
  const order = leastEffectFirst(
    sentences.map(({ text }) => text.length),
    sentences.map((sentence) => sentence.protected)
  )

  it('keeps everything at share 1 and nothing at share 0', () => {
    const all = compressTemplate(sentences, order, 1, tokens)
    expect(all).toEqual({ text: sentences.map(({ text }) => text).join(''), measuredRate: 1 })
    expect(compressTemplate(sentences, order, 0, tokens)).toEqual({ text: '', measuredRate: 0 })
  })

  it('never exceeds the share, falls with it, and repeats itself', () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(share, share, (a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)]
        const few = compressTemplate(sentences, order, low, tokens)
        const many = compressTemplate(sentences, order, high, tokens)
        expect(few.measuredRate).toBeLessThanOrEqual(low + 1e-12)
        expect(few.measuredRate).toBeLessThanOrEqual(many.measuredRate)
        expect(few).toEqual(compressTemplate(sentences, order, low, tokens))
      })
    )
  })

  it('keeps slots, labels and keys while anything else is left to drop', () => {
    const { text } = compressTemplate(sentences, order, 0.6, tokens)
    expect(text).toContain('{date}')
    expect(text).toContain('pending_cash_withdrawal')
    expect(text).not.toContain('Never apologise')
    expect(text).not.toMatch(/\n{3}/)
  })

  it('has nothing to compress in a template without text', () => {
    expect(compressTemplate([], [], 0.5, [])).toEqual({ text: '', measuredRate: 1 })
  })
})
