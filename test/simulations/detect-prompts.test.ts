/** Prompts as clients really send them: text in parts, names, dates in prose, long documents, sections of tenants. */
import { describe, expect, it } from 'vitest'
import { createDice, NAMES, RULES, type Dice } from '../kit/traffic/applications.ts'
import { Detector, type Candidate } from '../../src/core/detect/detect.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { KEY, system, user } from '../kit/traffic/prompts.ts'

const HOUR_MS = 3600 * 1000
const INSTRUCTIONS = RULES.join('\n')

const text = (content: string, fields: object = {}) => ({ type: 'text', text: content, ...fields })

type Make = (dice: Dice, index: number) => ChatMessage[]

const requests = (count: number, make: Make, from = 0): ChatMessage[][] => {
  const dice = createDice(from + 1)
  return Array.from({ length: count }, (_, index) => make(dice, from + index))
}

const found = (all: ChatMessage[][], hours = 1): Candidate[] => {
  const detector = new Detector()
  for (const [index, messages] of all.entries())
    detector.observe({
      key: KEY,
      messages,
      response: `label ${index % 3}`,
      at: index * hours * HOUR_MS,
    })
  return detector.candidates()
}

/** Share of requests that one of the templates matches. */
const matchedShare = (templates: Candidate[], all: ChatMessage[][]): number => {
  const matcher = compileMatcher(templates)
  return all.filter((messages) => matcher.match(KEY, messages) !== null).length / all.length
}

describe('messages in the forms that clients send', () => {
  it.each<[string, Make]>([
    [
      'text in parts with cache marks',
      (dice, index) => [
        system([
          text(INSTRUCTIONS, { cache_control: { type: 'ephemeral' } }),
          text(`Case ${index}`),
        ]),
        user([text('Letter:'), text(dice.sentence())]),
      ],
    ],
    [
      'a prompt that is split at another place in every other request',
      (dice, index) => {
        const cut = index % 2 === 0 ? 3 : 5
        const head = index % 3 === 0 ? [INSTRUCTIONS] : [RULES.slice(0, cut), RULES.slice(cut)]
        return [
          system(head.flat(0).map((each) => text([each].flat().join('\n')))),
          user(dice.sentence()),
        ]
      },
    ],
    [
      'names',
      (dice, index) => [
        { ...system(INSTRUCTIONS), name: 'router' },
        { ...user(dice.sentence()), name: `person-${index}` },
      ],
    ],
    [
      'instructions of a developer',
      (dice) => [{ role: 'developer', content: INSTRUCTIONS }, user(dice.sentence())],
    ],
    [
      'instructions of system and developer by turns',
      (dice, index) => [
        { role: index % 2 === 0 ? 'developer' : 'system', content: INSTRUCTIONS },
        user(dice.sentence()),
      ],
    ],
  ])('finds a prompt with %s', (_, make) => {
    const templates = found(requests(80, make))
    expect(templates).toHaveLength(1)
    expect(matchedShare(templates, requests(100, make, 80))).toBe(1)
  })

  it.each<[string, (reminder: ChatMessage, dice: Dice) => ChatMessage[]]>([
    ['behind the question', (reminder, dice) => [user(`Edit: ${dice.sentence()}`), reminder]],
    [
      'behind examples and the question',
      (reminder, dice) => [
        user('Change the greeting of hello.py.'),
        { role: 'assistant', content: 'hello.py\n<<<<<<< SEARCH' },
        user(`Edit: ${dice.sentence()}`),
        reminder,
      ],
    ],
  ])('finds a prompt with a reminder of the system %s', (_, behind) => {
    const reminder = system('Answer with one edit block alone. Keep every line that is not edited.')
    const make: Make = (dice) => [system(INSTRUCTIONS), ...behind(reminder, dice)]
    const templates = found(requests(80, make))
    expect(templates).toHaveLength(1)
    const matcher = compileMatcher(templates)
    for (const messages of requests(100, make, 80)) {
      const asked = messages.at(-2)!.content as string
      expect(asked).toContain(matcher.match(KEY, messages)?.query)
      expect(`Edit: ${matcher.match(KEY, messages)?.query}`).toBe(asked)
      // without the reminder, or with another one, it is another prompt
      expect(matcher.match(KEY, messages.slice(0, -1))).toBeNull()
      expect(matcher.match(KEY, [...messages.slice(0, -1), system('Answer.')])).toBeNull()
    }
  })

  it('finds none where the assistant has the last word before a reminder', () => {
    const all = requests(80, (dice) => [
      system(INSTRUCTIONS),
      user(dice.sentence()),
      { role: 'assistant', content: dice.sentence() },
      system('Go on.'),
    ])
    expect(found(all)).toEqual([])
  })

  it('finds the text-only requests of a prompt that mostly comes with an image or a file', () => {
    const other = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }
    const file = { type: 'file', file: { file_id: 'f' } }
    const make: Make = (dice, index) => {
      const query = dice.sentence()
      const parts = [[text(query)], [text(query), other], [file, text(query)]][index % 3]!
      return [system(INSTRUCTIONS), user(parts)]
    }
    const templates = found(requests(120, make))
    expect(templates).toHaveLength(1)
    expect(matchedShare(templates, requests(90, make, 120))).toBeCloseTo(1 / 3)
  })
})

it('finds the slots of a prompt of 9,000 characters in one line', () => {
  const body = requests(1, (dice) => [
    system(Array.from({ length: 120 }, () => dice.sentence().replace(/[?.]?$/u, '.')).join(' ')),
  ])[0]![0]!.content as string
  const make: Make = (dice, index) => [
    system(
      `You assist ${dice.pick(NAMES)} ${dice.id()}. ${body} The customer has ${Math.floor(dice.next() * 500)} points and ends on ${inProse('de', dayOf(index))}. ${body.toUpperCase()} Answer briefly.`
    ),
    user(dice.sentence()),
  ]
  const [template, ...others] = found(requests(80, make), 3)
  expect(others).toEqual([])
  const kinds = template!.messages[0]!.segments.map(({ kind }) => kind)
  expect(kinds.join(' ')).toBe('anchor slot anchor slot anchor slot anchor')
  expect(matchedShare([template!], requests(100, make, 400))).toBe(1)
})

const articles = (dice: Dice, count: number, sentences: number): string =>
  Array.from(
    { length: count },
    () => `## Article ${dice.id()}\n${Array.from({ length: sentences }, dice.sentence).join(' ')}`
  ).join('\n\n')

describe('retrieved documents that are longer than the instructions', () => {
  const pool = Array.from({ length: 40 }, (_, index) => articles(createDice(500 + index), 1, 12))
  it.each<[string, Make]>([
    [
      'of which each request has others, behind the instructions',
      (dice) => [
        system(`${INSTRUCTIONS}\n\nContext:\n${articles(dice, 3, 10)}`),
        user(dice.sentence()),
      ],
    ],
    [
      'from a pool, behind the instructions',
      (dice) => [
        system(`${INSTRUCTIONS}\n\nContext:\n${dice.pick(pool)}\n\n${dice.pick(pool)}`),
        user(dice.sentence()),
      ],
    ],
    [
      'in front of the question',
      (dice) => [
        system(INSTRUCTIONS),
        user(`Documents:\n${articles(dice, 3, 10)}\n\nQuestion: ${dice.sentence()}`),
      ],
    ],
    [
      'in parts of their own',
      (dice) => [
        system([text(INSTRUCTIONS), text(articles(dice, 2, 10))]),
        user([text(articles(dice, 1, 10)), text(`Question: ${dice.sentence()}`)]),
      ],
    ],
  ])('are kept, and the instructions are found (%s)', (_, make) => {
    const templates = found(requests(100, make))
    expect(templates).toHaveLength(1)
    expect(matchedShare(templates, requests(100, make, 100))).toBe(1)
    const matcher = compileMatcher(templates)
    const [head, asked] = make(createDice(3), 900) as [ChatMessage, ChatMessage]
    const match = matcher.match(KEY, [head, asked])!
    const kept = [...Object.values(match.slots), match.query].join('\n')
    for (const line of articleLines([head, asked])) expect(kept).toContain(line)
  })
})

const articleLines = (messages: ChatMessage[]): string[] =>
  messages
    .flatMap(({ content }) =>
      typeof content === 'string' ? content : content!.map((part) => part.text!)
    )
    .flatMap((content) => content.split('\n'))
    .filter((line) => line.includes('. ') || line.includes('? '))
    .filter((line) => !INSTRUCTIONS.includes(line))

const LOCALES = ['en-US', 'en-GB', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'pl', 'ja', 'zh', 'ko']
const ORDINAL = ['th', 'st', 'nd', 'rd']

/** Days from 5 October 2026 on, three hours a request: 80 requests are ten days of October. */
const dayOf = (index: number): Date => new Date(Date.UTC(2026, 9, 5) + index * 3 * HOUR_MS)

const inProse = (locale: string, day: Date): string =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeZone: 'UTC' }).format(day)

const DATES: [string, (day: Date) => string][] = [
  ...LOCALES.map((locale): [string, (day: Date) => string] => [
    locale,
    (day) => inProse(locale, day),
  ]),
  ['German with an article', (day) => inProse('de', day).replace(', ', ', der ')],
  ['a time behind it', (day) => `${inProse('en-US', day)} at ${day.toISOString().slice(11, 16)}`],
  ['month and year', (day) => `October ${day.getUTCFullYear() - (day.getUTCDate() % 2)}`],
  [
    'an ordinal',
    (day) => {
      const date = day.getUTCDate()
      return `${date < 11 || date > 13 ? (ORDINAL[date % 10] ?? 'th') : 'th'}`.replace(
        /^/u,
        `October ${date}`
      )
    },
  ],
]

describe('a date in prose', () => {
  const places: [string, (date: string) => string][] = [
    ['on a line of its own', (date) => `Today is ${date}.\n${INSTRUCTIONS}`],
    [
      'twice in a prompt of one long line',
      (date) =>
        `Hello. Today is ${date}. ${INSTRUCTIONS.repeat(8).replaceAll('\n', ' ')} Open until ${date} only. ${INSTRUCTIONS.replaceAll('\n', ' ')}`,
    ],
  ]
  it.each(
    DATES.flatMap(([name, write]) =>
      places.map(([place, put]) => [name, place, write, put] as const)
    )
  )('is one slot that the next months match (%s, %s)', (_, __, write, put) => {
    const make: Make = (dice, index) => [system(put(write(dayOf(index)))), user(dice.sentence())]
    const templates = found(requests(80, make), 3)
    expect(templates).toHaveLength(1)
    expect(matchedShare(templates, requests(200, make, 400))).toBe(1)
  })
})

const sectionOf = (customer: number, sentences: number): string => {
  const dice = createDice(40_000 + customer)
  const lines = Array.from({ length: sentences }, dice.sentence)
  return `## Rules of ${dice.pick(NAMES)} ${dice.id()}\n${lines.map((line) => `- ${line}`).join('\n')}`
}
/** the first of the skewed ones has a third of the traffic */
const drawn = (dice: Dice, count: number, isSkewed: boolean): number =>
  isSkewed ? Math.floor((count + 1) ** dice.next()) - 1 : Math.floor(dice.next() * count)

const withSections =
  (count: number, sentences: number, isSkewed: boolean): Make =>
  (dice) => [
    system(
      `${INSTRUCTIONS}\n\n${sectionOf(drawn(dice, count, isSkewed), sentences)}\n\nAnswer with the name of one drawer and nothing else.`
    ),
    user(dice.sentence()),
  ]

describe('a section for each customer of the tenant', () => {
  const cases = [9, 12, 20, 60, 200].flatMap((count) =>
    [2, 6, 24].flatMap((sentences) => [
      [count, sentences, false] as const,
      [count, sentences, true] as const,
    ])
  )

  it.each(cases)(
    'is a kept slot: %i customers, %i sentences, skewed %s',
    (count, sentences, isSkewed) => {
      const templates = found(requests(150, withSections(count, sentences, isSkewed)))
      expect(templates).toHaveLength(1)
      const slots = templates[0]!.messages[0]!.segments.filter(({ kind }) => kind === 'slot')
      expect(slots).toMatchObject([{ kept: true }])
      const next = requests(100, withSections(count, sentences, isSkewed), 150)
      expect(matchedShare(templates, next)).toBeGreaterThanOrEqual(0.97)
      const section = sectionOf(1, sentences)
      const match = compileMatcher(templates).match(
        KEY,
        withSections(2, sentences, false)(createDice(4), 0)
      )!
      expect(Object.values(match.slots)[0]!.length).toBeGreaterThan(section.length * 0.5)
    }
  )

  it.each([2, 4])('is a version where there are no more than %i', (count) => {
    const templates = found(requests(60 * count, withSections(count, 6, false)))
    expect(templates).toHaveLength(count)
    expect(matchedShare(templates, requests(100, withSections(count, 6, false), 900))).toBe(1)
  })
})
