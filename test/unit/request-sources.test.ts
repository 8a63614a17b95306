/** The slots of a request are sources of their own for a field head, in the worker as in the engine. */
import { describe, expect, it } from 'vitest'
import { sourcesOfRequest } from '../../src/core/answer/answer-form.ts'
import { findForm } from '../../src/core/form/find-form.ts'
import { readTargets, type FormRow } from '../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../src/core/form/render-answer.ts'
import { requestSources, slotNames } from '../../src/core/answer/request-sources.ts'
import { EMPTY_PROMPT, studentMessages } from '../../src/core/template/prompt.ts'
import type { Match, Slot } from '../../src/core/template/template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { slot } from '../kit/traffic/prompts.ts'

const asked = (content: string): ChatMessage[] => [{ role: 'user', content }]

/** A form's address, and a question. */
const withSlots = (slots: Record<string, string>, query: string): ChatMessage[] =>
  studentMessages(matchOf(slots, query), EMPTY_PROMPT)

const kept = (name: string): Slot =>
  slot(name, {
    maxChars: 200,
    multiline: true,
    test: {
      reason: 'open-values',
      mask: null,
      probability: null,
      distinct: 9,
      samples: 9,
      seen: [],
    },
  })

const matchOf = (slots: Record<string, string>, query: string): Match => ({
  template: {
    version: 'v1',
    messages: [{ role: 'user', segments: Object.keys(slots).map(kept) }],
  } as unknown as Match['template'],
  slots,
  examples: {},
  query,
  turns: [],
})

const plain = (sources: ReturnType<typeof requestSources>) =>
  sources.map(({ name, text }) => [name, text])

describe('the sources of a request', () => {
  const requests = [
    withSlots({ customer: 'Ann', address: 'Elm Road 3\nLeeds' }, 'where is it?\nnote: none'),
    withSlots({ customer: '"Bob" & Co', address: '' }, ''),
  ]
  const names = slotNames(requests)

  it('are the text, and each slot with the value that it had', () => {
    expect(names).toEqual(['customer', 'address'])
    expect(plain(requestSources(requests[0]!, names))).toEqual([
      ['query', 'where is it?\nnote: none'],
      ['customer', 'Ann'],
      ['address', 'Elm Road 3\nLeeds'],
    ])
    expect(plain(requestSources(requests[1]!, names))).toEqual([
      ['query', ''],
      ['customer', '"Bob" & Co'],
      ['address', ''],
    ])
  })

  it('are the same in the worker, which knows the slots of the template', () => {
    const slots = { customer: 'Ann', address: 'Elm Road 3\nLeeds' }
    const match = matchOf(slots, 'where is it?\nnote: none')
    expect(sourcesOfRequest({ match })).toEqual(requestSources(requests[0]!, names))
  })

  it('keep the further turns behind the text', () => {
    const turns = [...requests[0]!, { role: 'assistant', content: 'Soon.' }, ...asked('When?')]
    const [query, ...slots] = requestSources(turns, names)
    expect(query!.text).toBe(
      '<|user|>\nwhere is it?\nnote: none\n<|assistant|>\nSoon.\n<|user|>\nWhen?'
    )
    expect(slots).toHaveLength(2)
  })

  it('are one text where a request does not begin with the slots, or none are known', () => {
    for (const [text, known] of [
      ['customer: Ann\nhello', names],
      ['hello', names],
      ['', names],
      ['customer: Ann\naddress: Leeds', names],
      ['customer: Ann\nhello', []],
    ] as const)
      expect(plain(requestSources(asked(text), known))).toEqual([['query', text]])
    expect(plain(requestSources([], names))).toEqual([['query', '']])
  })

  it('take no line that only some requests have, and none without a line behind it', () => {
    expect(slotNames([asked('order: 7\nsend it'), asked('send it')])).toEqual([])
    expect(slotNames([asked('order: 7\nsend it'), asked('colour: red\nsend it')])).toEqual([])
    expect(slotNames([asked('order: 7')])).toEqual([])
    expect(slotNames([[]])).toEqual([])
    expect(slotNames([])).toEqual([])
  })

  it('leave a value that is broken JSON as it is written', () => {
    expect(plain(requestSources(asked('order: "7\nsend it'), ['order']))[1]).toEqual([
      'order',
      '"7',
    ])
  })
})

describe('values of slots', () => {
  const NAMES = ['Ann', 'Bob', 'Cid', 'Dee', 'Eve', 'Fay', 'Gus']
  const STREETS = ['Elm Road', 'Oak Lane', 'Mill Street', 'High Street', 'Park Row']
  const exchange = (at: number): { messages: ChatMessage[]; answer: string } => {
    const [name, street] = [`${NAMES[at % 7]} "${NAMES[(at + 2) % 7]}" Ross`, STREETS[at % 5]!]
    return {
      messages: withSlots(
        { letter: `From: desk ${at}\n${name}\n${street} ${at}\nLeeds` },
        `send it ${at % 2 ? 'today' : 'tomorrow'}`
      ),
      answer: JSON.stringify({ name, street: `${street} ${at}` }),
    }
  }
  const exchanges = Array.from({ length: 60 }, (_, at) => exchange(at))
  const names = slotNames(exchanges.map(({ messages }) => messages))
  const rowOf = ({ messages, answer }: (typeof exchanges)[number]): FormRow => ({
    sources: requestSources(messages, names),
    answer,
  })

  it('of several lines and with quotes are copied', () => {
    const rows = exchanges.map(rowOf)
    const { form, explained } = findForm(rows)!
    expect(explained).toBe(1)
    const fresh = rowOf(exchange(99))
    expect(renderAnswer(form, fresh.sources, readTargets(form, fresh)!)).toBe(fresh.answer)
  })
})
