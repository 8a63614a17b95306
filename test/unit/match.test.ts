import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compileMatcher, outlineOf, templateKeyOf } from '../../src/core/match/match.ts'
import { compileMessage } from '../../src/core/match/message-pattern.ts'
import { createProbeIndex, createProbes } from '../../src/core/match/probe.ts'
import { shapeOf } from '../../src/core/template/shape.ts'
import type { Segment, Template, TemplateKey } from '../../src/core/template/template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { anchor, assistant, KEY, slot, system, user } from '../kit/traffic/prompts.ts'

const query: Segment = { kind: 'query' }

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

const parts = (...texts: string[]): ChatMessage => ({
  role: 'user',
  content: texts.map((text) => ({ type: 'text', text })),
})
const withFields = (fields: object): ChatMessage => ({
  role: 'user',
  content: [{ type: 'text', text: 'Letter:\nhello\nDrawer:', ...fields }],
})

describe('matching one template', () => {
  const matcher = compileMatcher([DESK])

  it('takes a request apart into slots and query', () => {
    const match = matcher.match(KEY, DESK_MESSAGES)
    expect(match).toMatchObject({ slots: { date: '2025-01-02' }, query: 'hello', turns: [] })
  })

  it('reads an array with one text part like the string', () => {
    const messages = [DESK_MESSAGES[0]!, parts('Letter:\nhello\nDrawer:')]
    expect(matcher.match(KEY, messages)?.query).toBe('hello')
  })

  it.each<[string, ChatMessage[]]>([
    ['split behind a line break', [DESK_MESSAGES[0]!, parts('Letter:\n', 'hello\nDrawer:')]],
    ['split without one', [DESK_MESSAGES[0]!, parts('Letter:', '', 'hello', 'Drawer:')]],
    [
      'with a cache mark',
      [DESK_MESSAGES[0]!, withFields({ cache_control: { type: 'ephemeral' } })],
    ],
    ['by a named person', [DESK_MESSAGES[0]!, { ...DESK_MESSAGES[1]!, name: 'bob' }]],
    ['with empty fields', [DESK_MESSAGES[0]!, { ...DESK_MESSAGES[1]!, refusal: null }]],
    ['of a developer', [{ ...DESK_MESSAGES[0]!, role: 'developer' }, DESK_MESSAGES[1]!]],
  ])('reads the same text %s, and does not change the request', (_, messages) => {
    const sent = structuredClone(messages)
    expect(matcher.match(KEY, messages)?.query).toBe('hello')
    expect(messages).toEqual(sent)
  })

  it('prefers the template with exactly the roles of the request', () => {
    const own = { ...DESK, version: 'own', messages: structuredClone(DESK.messages) }
    own.messages[0]!.role = 'developer'
    const both = compileMatcher([DESK, own])
    const developer = [{ ...DESK_MESSAGES[0]!, role: 'developer' }, DESK_MESSAGES[1]!]
    expect(both.match(KEY, developer)?.template.version).toBe('own')
    expect(both.match(KEY, DESK_MESSAGES)?.template.version).toBe('desk')
  })

  it('does not read a conversation among several people', () => {
    const chat = compileMatcher([{ ...DESK, maxTurnsAfter: 2 }])
    const asked = { ...DESK_MESSAGES[1]!, name: 'bob' }
    const turns = (name: string): ChatMessage[] => [
      DESK_MESSAGES[0]!,
      asked,
      assistant('1'),
      { ...user('sure?'), name },
    ]
    expect(chat.match(KEY, turns('bob'))).not.toBeNull()
    expect(chat.match(KEY, turns('eve'))).toBeNull()
  })

  it.each<[string, ChatMessage[]]>([
    ['an image part', [DESK_MESSAGES[0]!, { role: 'user', content: [{ type: 'image_url' }] }]],
    [
      'an image beside the text',
      [
        DESK_MESSAGES[0]!,
        {
          role: 'user',
          content: [{ type: 'text', text: 'Letter:\nhello\nDrawer:' }, { type: 'image_url' }],
        },
      ],
    ],
    ['parts in the middle of a word', [DESK_MESSAGES[0]!, parts('Let', 'ter:\nhello\nDrawer:')]],
    ['an unknown field of a part', [DESK_MESSAGES[0]!, withFields({ annotations: [] })]],
    ['an unknown field', [DESK_MESSAGES[0]!, { ...DESK_MESSAGES[1]!, weight: 1 }]],
    ['a tool call', [...DESK_MESSAGES, { role: 'assistant', content: 'x', tool_calls: [] }]],
    ['null content', [DESK_MESSAGES[0]!, { role: 'user', content: null }]],
    ['another role', [{ ...DESK_MESSAGES[0]!, role: 'assistant' }, DESK_MESSAGES[1]!]],
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

  it('never removes user text that quotes the prompt', () => {
    const quoted = 'Letter:\nhello\nDrawer: Sort the letter. Date: 1 | Desk'
    const match = matcher.match(KEY, [DESK_MESSAGES[0]!, user(`Letter:\n${quoted}\nDrawer:`)])
    expect(match?.query).toBe(quoted)
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

/** The definition of a match of one message, without any shortcut. */
const takenBy = (segments: Segment[], text: string): Record<string, string> | null => {
  const anchors = ['']
  const variables: Exclude<Segment, { kind: 'anchor' }>[] = []
  for (const segment of segments) {
    if (segment.kind === 'anchor') anchors.push(anchors.pop()! + segment.text)
    else {
      variables.push(segment)
      anchors.push('')
    }
  }
  const [prefix = '', ...inner] = anchors
  if (variables.length === 0) return text === prefix ? {} : null
  const suffix = inner.pop()!
  if (!text.startsWith(prefix) || !text.slice(prefix.length).endsWith(suffix)) return null
  let open = text.slice(prefix.length, text.length - suffix.length)
  const values: string[] = []
  for (const each of inner) {
    const places = [...open].flatMap((_, at) => (open.startsWith(each, at) ? [at] : []))
    if (each === '' || places.length !== 1) return null
    values.push(open.slice(0, places[0]))
    open = open.slice(places[0]! + each.length)
  }
  values.push(open)
  const fits = variables.every((variable, at) => {
    if (variable.kind === 'query') return values[at] !== ''
    if (variable.kind === 'examples') return true
    if (!variable.kept) return variable.shapes?.includes(shapeOf(values[at]!)!) ?? false
    const isListed = variable.values?.includes(values[at]!) ?? true
    const isOneLine = variable.multiline || !values[at]!.includes('\n')
    return isListed && isOneLine && values[at]!.length <= variable.maxChars
  })
  const names = variables.map((each) => (each.kind === 'query' ? 'query' : each.name))
  return fits ? Object.fromEntries(names.map((name, at) => [name, values[at]!])) : null
}

const charsOf = ({ messages }: Template): number =>
  messages
    .flatMap(({ segments }) => segments)
    .reduce((sum, each) => sum + (each.kind === 'anchor' ? each.text.length : 0), 0)

/** The template with the most constant text that all messages are of, and what it takes out of them. */
const expectedMatch = (templates: Template[], messages: ChatMessage[]) => {
  const found = templates.flatMap((each) => {
    const own = each.messages
    const turns = messages.slice(own.length)
    const isAlternating = turns.every(
      ({ role }, at) => role === (at % 2 === 0 ? 'assistant' : 'user')
    )
    if (messages.length < own.length || turns.length > each.maxTurnsAfter) return []
    if (turns.length % 2 > 0 || !isAlternating) return []
    if (own.some(({ role }, at) => role !== messages[at]!.role)) return []
    const taken = own.map(({ segments }, at) => takenBy(segments, String(messages[at]!.content)))
    return taken.includes(null) ? [] : [{ template: each, taken: Object.assign({}, ...taken) }]
  })
  const most = Math.max(...found.map((each) => charsOf(each.template)))
  const best = found.filter((each) => charsOf(each.template) === most)
  return best.length === 1 ? best[0]! : null
}

const word = (maxLength: number, minLength = 0) =>
  fc.string({ unit: fc.constantFrom('a', 'b', '\n'), minLength, maxLength })

const someSegments = fc
  .array(
    fc.oneof(
      { arbitrary: word(3).map(anchor), weight: 4 },
      fc.constant(query),
      fc.record({ kind: fc.constant('examples' as const), name: fc.constant('shots') }),
      fc.record({
        kind: fc.constant('slot' as const),
        name: fc.constant('slot'),
        type: fc.constant('short' as const),
        maxChars: fc.constantFrom(1, 9),
        multiline: fc.boolean(),
        kept: fc.boolean(),
        shapes: fc.subarray(['', 'a', 'aa', 'ab', 'ba', 'b', 'bb', 'a\n']),
      }),
      fc
        .boolean()
        .map(
          (kept): Segment =>
            ({ ...slot('enum', { type: 'enum', values: ['a', 'ab', ''] }), kept }) as Segment
        )
    ),
    { maxLength: 5 }
  )
  .map((segments): Segment[] =>
    segments.map((each, at) => ('name' in each ? { ...each, name: `${each.name}${at}` } : each))
  )

const someTemplate = fc
  .tuple(someSegments, someSegments, fc.boolean(), fc.constantFrom(0, 2, 4))
  .map(([first, others, isLone, maxTurnsAfter]) => {
    // a template has no two places of one name
    const second = others.map((each) =>
      'name' in each ? { ...each, name: `second-${each.name}` } : each
    )
    const messages: [string, Segment[]][] = isLone
      ? [['user', first]]
      : [
          ['system', first],
          ['user', second],
        ]
    return template('', messages, { maxTurnsAfter })
  })

describe('the matcher against its definition', () => {
  const templates = fc
    .array(someTemplate, { minLength: 1, maxLength: 6 })
    .map((list) => list.map((each, at) => ({ ...each, version: `v${at}` })))
  const values = fc.array(word(2), { minLength: 16, maxLength: 16 })
  const edit = fc.option(fc.tuple(fc.nat(9), word(1)), { nil: null, freq: 1 })

  it('takes a text apart in the one way that its anchors allow', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 7 })
    const part = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 2 }).map(anchor)
    const variable = fc.constantFrom(query, slot('one'), { ...slot('two'), maxChars: 1 } as Segment)
    const segments = fc.tuple(part, variable, part, fc.constantFrom(query, slot('last')), part)
    fc.assert(
      fc.property(segments, text, (pieces, content) => {
        const found = compileMatcher([template('', [['user', pieces]])]).match(KEY, [user(content)])
        const wanted = takenBy(pieces, content)
        expect(found && { query: found.query, ...found.slots }).toEqual(
          wanted && { query: '', ...wanted }
        )
      }),
      { numRuns: 3000 }
    )
  })

  it('finds the same template with the same values, and its bytes are never ruled out', () => {
    let matched = 0
    fc.assert(
      fc.property(
        templates,
        fc.nat(5),
        values,
        edit,
        fc.constantFrom(0, 0, 0, 1, 2, 2, 3, 4),
        fc.constantFrom(false, false, false, true),
        (list, pick, texts, change, turns, isSwapped) => {
          let used = 0
          const messages = list[pick % list.length]!.messages.map(({ role, segments }) => ({
            role,
            content: segments
              .map((each) => (each.kind === 'anchor' ? each.text : texts[used++ % 16]!))
              .join(''),
          }))
          for (let at = 0; at < turns; at++)
            messages.push(
              ((at % 2 === 0) !== isSwapped ? assistant : user)('t') as (typeof messages)[0]
            )
          if (change !== null) {
            const [at, by] = change
            const { content } = messages[at % messages.length]!
            messages[at % messages.length]!.content =
              content.slice(0, at) + by + content.slice(at + 1)
          }
          const matcher = compileMatcher(list)
          const found = matcher.match(KEY, messages)
          const wanted = expectedMatch(list, messages)
          expect(found?.template.version).toBe(wanted?.template.version)
          if (found === null || wanted === null) return
          matched++
          expect({ query: '', ...wanted.taken }).toEqual({
            ...found.slots,
            ...found.examples,
            query: found.query,
          })
          expect(found.turns).toEqual(messages.slice(found.template.messages.length))
          const bytes = Buffer.from(JSON.stringify({ model: KEY.model, messages }))
          expect(matcher.mayMatch(bytes, outlineOf(bytes)!)).toBe(true)
        }
      ),
      { numRuns: 4000 }
    )
    expect(matched).toBeGreaterThan(500)
  })
})

describe('the probes of templates that share an opening', () => {
  const words = fc.integer({ min: 1, max: 7 }).chain((chars) =>
    fc.uniqueArray(
      fc.string({ unit: fc.constantFrom('a', 'b'), minLength: chars, maxLength: chars }),
      {
        minLength: 1,
        maxLength: 8,
      }
    )
  )

  it.each<[string, (text: string) => Segment[][]]>([
    ['beginnings', (text) => [[anchor(`${text}.`), query]]],
    ['ends', (text) => [[anchor('-'), query, anchor(text)]]],
    ['whole messages', (text) => [[anchor(text)]]],
    ['second messages', (text) => [[query], [query, anchor(`-${text}`)]]],
  ])('leave one candidate for a request where their %s differ', (_, segmentsOf) => {
    fc.assert(
      fc.property(words, (list) => {
        const patterns = list.map((text) =>
          segmentsOf(text).map((segments) => compileMessage({ role: 'user', segments })!)
        )
        const entries = createProbes(patterns).map((probe, at) => ({ probe, at }))
        const candidates = createProbeIndex(entries)
        list.forEach((text, at) => {
          const visited: number[] = []
          const texts = segmentsOf(text).map((segments) => render(segments, {}, 'q'))
          candidates(texts, (entry) => visited.push(entry.at))
          expect(visited).toEqual([at])
          // each offset tells the template from a rival that no other offset does
          const { offsets } = entries[at]!.probe
          expect(offsets.length).toBeLessThan(list.length)
          expect(new Set(offsets).size).toBe(offsets.length)
        })
      })
    )
  })
})

const keyOf = (fields: object): TemplateKey =>
  templateKeyOf({ model: 'gpt', messages: [], ...fields }, { tenant: 'tenant' })

describe('template key', () => {
  it.each([{}, { tools: [], response_format: null }, { tool_choice: undefined, functions: [] }])(
    'has empty digests without tools and response format: %j',
    (fields) => {
      expect(keyOf(fields)).toEqual(KEY)
    }
  )

  /** With the members of all objects in reverse order. */
  const reversed = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(reversed)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(
      Object.entries(value)
        .reverse()
        .map(([name, field]) => [name, reversed(field)])
    )
  }

  it('depends on the values, not on the order of members', () => {
    const value = fc.dictionary(fc.constantFrom('a', 'b', 'ab'), fc.jsonValue(), { minKeys: 1 })
    fc.assert(
      fc.property(value, value, (one, other) => {
        const [left, right] = [JSON.stringify(one), JSON.stringify(other)]
        const isSame = isDeepStrictEqual(JSON.parse(left), JSON.parse(right))
        for (const field of ['tools', 'response_format']) {
          const key = keyOf({ [field]: one })
          expect(keyOf({ [field]: reversed(one) })).toEqual(key)
          expect(isDeepStrictEqual(keyOf({ [field]: other }), key)).toBe(isSame)
        }
      })
    )
  })

  it('distinguishes the fields that choose tools', () => {
    const values = [
      'tools',
      'tool_choice',
      'parallel_tool_calls',
      'functions',
      'function_call',
    ].map((field) => keyOf({ [field]: false }).tools)
    expect(new Set(values).size).toBe(5)
    for (const tools of values) expect(tools).toMatch(/^[0-9a-f]{32}$/)
    // SHA-256 of [["tools",[{"a":1,"b":null}]]]: a stored template must be found by later versions
    expect(keyOf({ tools: [{ b: null, c: undefined, a: 1 }] }).tools).toBe(
      createHash('sha256').update('[["tools",[{"a":1,"b":null}]]]').digest('hex').slice(0, 32)
    )
  })
})

const versionFor = (caller: string | undefined, templates: Template[]): string | undefined =>
  compileMatcher(templates).match({ ...KEY, caller }, DESK_MESSAGES)?.template.version

const parameters = (...names: string[]) => ({
  type: 'object',
  properties: Object.fromEntries(names.map((name) => [name, { type: 'string' }])),
})
const format = (schema: object) => ({
  response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
})
const tools = (schema: object) => ({
  tools: [{ type: 'function', function: { name: 'f', parameters: schema } }],
})
const functions = (schema: object) => ({ functions: [{ name: 'f', parameters: schema }] })

describe('the key of a template', () => {
  it.each([[format], [tools], [functions]])(
    'differs with the order of the properties that an answer has',
    (fieldsOf) => {
      const key = keyOf(fieldsOf(parameters('reason', 'label')))
      expect(keyOf(fieldsOf(parameters('reason', 'label')))).toEqual(key)
      expect(keyOf(fieldsOf(parameters('label', 'reason')))).not.toEqual(key)
    }
  )

  it('does not depend on the order of the other members', () => {
    const schema = parameters('a')
    expect(keyOf(tools(schema))).toEqual(
      keyOf({ tools: [{ function: { parameters: schema, name: 'f' }, type: 'function' }] })
    )
  })
})

describe('siblings', () => {
  const shared = { ...DESK, version: 'shared' }
  const own = { ...DESK, version: 'own', caller: 'one' }

  it.each([[[shared, own]], [[own, shared]]])(
    'are told apart by the caller, whose own one comes first',
    (templates) => {
      expect(versionFor('one', templates)).toBe('own')
      expect(versionFor('two', templates)).toBe('shared')
      expect(versionFor(undefined, templates)).toBe('shared')
      expect(versionFor('two', [own])).toBeUndefined()
    }
  )
})
