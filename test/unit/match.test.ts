import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileMatcher, templateKeyOf } from '../../src/core/match/match.ts'
import type { Segment, Template, TemplateKey } from '../../src/core/template/template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'

const KEY: TemplateKey = { tenant: 'tenant', model: 'gpt', tools: '', responseFormat: '' }

const anchor = (text: string): Segment => ({ kind: 'anchor', text })
const query: Segment = { kind: 'query' }
const slot = (name: string, values?: string[]): Segment => ({
  kind: 'slot',
  name,
  type: values ? 'enum' : 'short',
  ...(values ? { values } : {}),
  maxChars: 40,
  multiline: false,
  kept: true,
})

const template = (
  version: string,
  messages: [string, Segment[]][],
  extra: Partial<Template> = {}
): Template => ({
  ...KEY,
  version,
  messages: messages.map(([role, segments]) => ({ role, segments })),
  maxTurnsAfter: 0,
  ...extra,
})

const system = (content: string): ChatMessage => ({ role: 'system', content })
const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })

const DESK = template('desk', [
  ['system', [anchor('Date: '), slot('date'), anchor(' | Desk\nSort the letter.')]],
  ['user', [anchor('Letter:\n'), query, anchor('\nDrawer:')]],
])
const DESK_MESSAGES = [
  system('Date: 2025-01-02 | Desk\nSort the letter.'),
  user('Letter:\nhello\nDrawer:'),
]

/** Text of a template's message with the given slot values and query. */
const render = (segments: Segment[], slots: Record<string, string>, asked: string): string =>
  segments
    .map((segment) => {
      if (segment.kind === 'anchor') return segment.text
      return segment.kind === 'query' ? asked : (slots[segment.name] ?? '')
    })
    .join('')

const withDate = (date: string): ChatMessage[] => [
  system(`Date: ${date} | Desk\nSort the letter.`),
  DESK_MESSAGES[1]!,
]

describe('matching one template', () => {
  const matcher = compileMatcher([DESK])

  it('takes a request apart into slots and query', () => {
    const match = matcher.match(KEY, DESK_MESSAGES)
    expect(match).toMatchObject({ slots: { date: '2025-01-02' }, query: 'hello', turns: [] })
  })

  it('reads an array with one text part like the string', () => {
    const parts: ChatMessage[] = [
      DESK_MESSAGES[0]!,
      { role: 'user', content: [{ type: 'text', text: 'Letter:\nhello\nDrawer:' }] },
    ]
    expect(matcher.match(KEY, parts)?.query).toBe('hello')
  })

  it.each<[string, ChatMessage[]]>([
    ['an image part', [DESK_MESSAGES[0]!, { role: 'user', content: [{ type: 'image_url' }] }]],
    [
      'two text parts',
      [
        DESK_MESSAGES[0]!,
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Letter:\n' },
            { type: 'text', text: 'hello\nDrawer:' },
          ],
        },
      ],
    ],
    [
      'a cache mark on the part',
      [
        DESK_MESSAGES[0]!,
        {
          role: 'user',
          content: [{ type: 'text', text: 'Letter:\nhello\nDrawer:', cache_control: {} }],
        },
      ],
    ],
    ['a named message', [DESK_MESSAGES[0]!, { ...DESK_MESSAGES[1]!, name: 'bob' }]],
    ['a tool call', [...DESK_MESSAGES, { role: 'assistant', content: 'x', tool_calls: [] }]],
    ['null content', [DESK_MESSAGES[0]!, { role: 'user', content: null }]],
    ['another role', [{ ...DESK_MESSAGES[0]!, role: 'developer' }, DESK_MESSAGES[1]!]],
    ['a turn more than was ever seen', [...DESK_MESSAGES, assistant('x'), user('y')]],
    ['an empty query', [DESK_MESSAGES[0]!, user('Letter:\n\nDrawer:')]],
    ['no messages', []],
  ])('refuses %s', (_, messages) => {
    expect(matcher.match(KEY, messages)).toBeNull()
  })

  it.each(['tenant', 'model', 'tools', 'responseFormat'] as const)(
    'refuses another %s',
    (field) => {
      expect(matcher.match({ ...KEY, [field]: 'other' }, DESK_MESSAGES)).toBeNull()
    }
  )

  it('refuses a slot value with a line break or beyond the bound', () => {
    expect(matcher.match(KEY, withDate('a\nb'))).toBeNull()
    expect(matcher.match(KEY, withDate('a'.repeat(41)))).toBeNull()
    expect(matcher.match(KEY, withDate('a'.repeat(40)))).not.toBeNull()
  })

  it('refuses an unknown value of a kept enum slot', () => {
    const plans = compileMatcher([
      template('plans', [
        ['user', [anchor('Plan: '), slot('plan', ['free', 'pro']), anchor('\n'), query]],
      ]),
    ])
    expect(plans.match(KEY, [user('Plan: pro\nhi')])?.slots).toEqual({ plan: 'pro' })
    expect(plans.match(KEY, [user('Plan: gold\nhi')])).toBeNull()
  })

  it('never removes user text that quotes the prompt', () => {
    const quoted = 'Letter:\nhello\nDrawer: Sort the letter. Date: 1 | Desk'
    const match = matcher.match(KEY, [DESK_MESSAGES[0]!, user(`Letter:\n${quoted}\nDrawer:`)])
    expect(match?.query).toBe(quoted)
  })

  it('refuses when an anchor between two variable parts could stand in two places', () => {
    const table = compileMatcher([
      template('table', [
        ['user', [anchor('Columns: '), slot('columns'), anchor('\nQuestion: '), query]],
      ]),
    ])
    expect(table.match(KEY, [user('Columns: A\nQuestion: why')])?.query).toBe('why')
    expect(table.match(KEY, [user('Columns: A\nQuestion: is\nQuestion: odd')])).toBeNull()
  })

  it('hands over conversation turns as sent, up to as many as were seen', () => {
    const chat = compileMatcher([{ ...DESK, maxTurnsAfter: 2 }])
    const longer = [...DESK_MESSAGES, assistant('drawer 1'), user('sure?')]
    expect(chat.match(KEY, longer)?.turns).toEqual([
      { role: 'assistant', content: 'drawer 1' },
      { role: 'user', content: 'sure?' },
    ])
    expect(chat.match(KEY, [...longer, assistant('yes'), user('really?')])).toBeNull()
    expect(chat.match(KEY, [...DESK_MESSAGES, user('a'), assistant('b')])).toBeNull()
    expect(chat.match(KEY, [...DESK_MESSAGES, assistant('a')])).toBeNull()
  })

  it('does not change the request', () => {
    const messages = structuredClone(DESK_MESSAGES)
    matcher.match(KEY, messages)
    expect(messages).toEqual(DESK_MESSAGES)
  })
})

describe('matching among many templates', () => {
  const stem = 'Be exact. '.repeat(600)
  const many = Array.from({ length: 300 }, (_, index) =>
    template(`v${index}`, [
      ['system', [anchor(`${stem}Rule ${String(index).padStart(3, '0')} counts. ${stem}`)]],
      ['user', [query]],
    ])
  )
  const matcher = compileMatcher(many)
  const messagesOf = (index: number): ChatMessage[] => [
    system(`${stem}Rule ${String(index).padStart(3, '0')} counts. ${stem}`),
    user('hi'),
  ]

  it('finds the right one of 300 that share their first and last 6,000 characters', () => {
    for (let index = 0; index < 300; index++) {
      expect(matcher.match(KEY, messagesOf(index))?.template.version).toBe(`v${index}`)
    }
    expect(matcher.match(KEY, messagesOf(300))).toBeNull()
  })

  it('prefers the template with more constant text and refuses a tie', () => {
    const general = template('general', [['user', [anchor('Do: '), query]]])
    const special = template('special', [['user', [anchor('Do: now '), query]]])
    const twin = template('twin', [['user', [anchor('Do: '), query]]], { maxTurnsAfter: 4 })
    const both = compileMatcher([general, special])
    expect(both.match(KEY, [user('Do: now run')])?.template.version).toBe('special')
    expect(both.match(KEY, [user('Do: run')])?.template.version).toBe('general')
    expect(compileMatcher([general, twin]).match(KEY, [user('Do: run')])).toBeNull()
  })

  it('never matches a template whose variable parts touch', () => {
    const touching = template('touching', [['user', [anchor('a'), slot('one'), query]]])
    expect(compileMatcher([touching]).match(KEY, [user('abc')])).toBeNull()
  })
})

describe('ownership of text, for random templates', () => {
  const text = fc.string({ minLength: 1, maxLength: 12 })
  const value = fc.string({ maxLength: 12 }).filter((word) => !word.includes('\n'))
  const segments = fc
    .tuple(text, text, text, fc.constantFrom('start', 'middle', 'end'))
    .map(([first, second, third, place]): Segment[] => {
      const one = place === 'start' ? query : slot('one')
      const two = place === 'end' ? query : slot('two')
      const parts = [anchor(first), one, anchor(second), two, anchor(third)]
      return place === 'middle' ? [anchor(first), slot('one'), anchor(second), query] : parts
    })

  it('gives back exactly the slots and the query that were rendered, or nothing', () => {
    fc.assert(
      fc.property(segments, value, value, text, (parts, one, two, asked) => {
        const matcher = compileMatcher([template('random', [['user', parts]])])
        const match = matcher.match(KEY, [user(render(parts, { one, two }, asked))])
        if (!match) return
        expect(match.query).toBe(asked)
        expect(render(parts, match.slots, match.query)).toBe(render(parts, { one, two }, asked))
        for (const [name, found] of Object.entries(match.slots)) {
          expect(found).toBe(name === 'one' ? one : two)
        }
      }),
      { numRuns: 500 }
    )
  })

  it('always recognizes values that cannot be taken for an anchor', () => {
    const letters = fc.stringMatching(/^[a-m]{1,10}$/)
    const marks = fc.stringMatching(/^[n-z]{2,8}$/)
    fc.assert(
      fc.property(marks, marks, marks, letters, letters, (a, b, c, one, asked) => {
        const parts = [anchor(a), slot('one'), anchor(b), query, anchor(c)]
        const matcher = compileMatcher([template('random', [['user', parts]])])
        const match = matcher.match(KEY, [user(render(parts, { one }, asked))])
        expect(match).toMatchObject({ slots: { one }, query: asked })
      })
    )
  })

  it('refuses every change of one character in an anchor', () => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom('!', '§', '\n', 'Z'), (place, replacement) => {
        const owned = DESK_MESSAGES.flatMap(({ content }, message) => {
          const { segments: parts } = DESK.messages[message]!
          const start = String(content).length
          let at = 0
          return parts.flatMap((segment) => {
            const length =
              segment.kind === 'anchor' ? segment.text.length : segment.kind === 'query' ? 5 : 10
            const from = at
            at += length
            expect(at).toBeLessThanOrEqual(start)
            return segment.kind === 'anchor'
              ? Array.from({ length }, (_, offset) => ({ message, at: from + offset }))
              : []
          })
        })
        const changed = structuredClone(DESK_MESSAGES)
        const target = owned[place % owned.length]!
        const before = String(changed[target.message]!.content)
        if (before[target.at] === replacement) return
        changed[target.message]!.content =
          before.slice(0, target.at) + replacement + before.slice(target.at + 1)
        expect(compileMatcher([DESK]).match(KEY, changed)).toBeNull()
      }),
      { numRuns: 400 }
    )
  })

  it('leaves user text alone whatever anchors it holds', () => {
    const pieces = fc.constantFrom(
      'Letter:\n',
      '\nDrawer:',
      'Date: ',
      ' | Desk\nSort the letter.',
      'x',
      ' '
    )
    fc.assert(
      fc.property(fc.array(pieces, { minLength: 1, maxLength: 8 }), (words) => {
        const asked = words.join('')
        const match = compileMatcher([DESK]).match(KEY, [
          DESK_MESSAGES[0]!,
          user(`Letter:\n${asked}\nDrawer:`),
        ])
        expect(match?.query ?? asked).toBe(asked)
      })
    )
  })
})

describe('template key', () => {
  const request = { model: 'gpt', messages: [] }

  it('has empty digests for a request without tools and format', () => {
    expect(templateKeyOf({ ...request, tools: [], response_format: null }, 'tenant')).toEqual(KEY)
  })

  it('does not depend on the order of fields, and does on their values', () => {
    const left = templateKeyOf({ ...request, tools: [{ a: 1, b: { c: 2, d: 3 } }] }, 't')
    const right = templateKeyOf({ ...request, tools: [{ b: { d: 3, c: 2 }, a: 1 }] }, 't')
    const other = templateKeyOf({ ...request, tools: [{ b: { d: 3, c: 2 }, a: 2 }] }, 't')
    const chosen = templateKeyOf(
      { ...request, tools: [{ a: 1, b: { c: 2, d: 3 } }], tool_choice: 'none' },
      't'
    )
    expect(left).toEqual(right)
    expect(other.tools).not.toBe(left.tools)
    expect(chosen.tools).not.toBe(left.tools)
  })

  it('tells response formats apart', () => {
    const json = templateKeyOf({ ...request, response_format: { type: 'json_object' } }, 't')
    const text = templateKeyOf({ ...request, response_format: { type: 'text' } }, 't')
    expect(json.responseFormat).not.toBe(text.responseFormat)
  })
})
