import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/random.ts'
import { scoreTemplates } from '../kit/traffic/score.ts'
import type { StreamRow } from '../kit/traffic/stream.ts'
import { syntheticStream } from '../kit/traffic/synthetic.ts'
import { Detector, type Candidate } from '../../src/core/detect/detect.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import type { Slot } from '../../src/core/template/template.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { assistant, KEY, system, user } from '../kit/traffic/prompts.ts'

const DAY_MS = 24 * 3600 * 1000

const RULES = [
  'Sort every letter into one drawer and name the drawer only.',
  'Read the whole letter first; greetings and signatures do not count.',
  'Where two drawers fit, name the one that is opened more often.',
].join('\n')

const WORDS = 'apple river lamp chair storm velvet copper island mirror ticket walnut engine'.split(
  ' '
)
const random = seededRandom(11)
const pick = <Item>(items: Item[]): Item => items[Math.floor(random() * items.length)]!
const sentence = (): string => `${Array.from({ length: 7 }, () => pick(WORDS)).join(' ')}?`

interface Exchange {
  messages: ChatMessage[]
  response?: string
  session?: string
}

const observeAll = (detector: Detector, exchanges: Exchange[], key = KEY): Detector => {
  exchanges.forEach((exchange, index) => {
    detector.observe({ key, ...exchange, at: index * 60_000 })
  })
  return detector
}

const repeat = (count: number, make: (index: number) => Exchange): Exchange[] =>
  Array.from({ length: count }, (_, index) => make(index))

const found = (exchanges: Exchange[], options = {}): Candidate[] =>
  observeAll(new Detector(options), exchanges).candidates()

const slotsOf = (template: Candidate | undefined): Slot[] =>
  template?.messages.flatMap(({ segments }) =>
    segments.flatMap((segment) => (segment.kind === 'slot' ? [segment] : []))
  ) ?? []

const kindsOf = (template: Candidate | undefined): string[][] =>
  template?.messages.map(({ segments }) => segments.map(({ kind }) => kind)) ?? []

const feed = (detector: Detector, rows: StreamRow[]): Detector => {
  for (const { messages, response, t } of rows)
    detector.observe({ key: KEY, messages, response, at: t * 7 * DAY_MS })
  return detector
}

describe('a labelled stream of twelve templates among noise, chats, an agent loop and jitter', () => {
  it.each([1, 5])('gives all templates, no false one and no mixture (seed %i)', (seed) => {
    const rows = syntheticStream(seed)
    const score = scoreTemplates(feed(new Detector(), rows).candidates(), rows, KEY, 30)
    expect(score).toMatchObject({ missed: [], wrong: [], mixed: [] })
    expect(score.found).toHaveLength(13)
    expect(score.covered).toBeGreaterThanOrEqual(0.95)
  })
})

const limited = (limit: number): string => `${RULES}\nA drawer holds ${limit} letters.`

describe('detection', () => {
  it('needs `minSessions` sessions', () => {
    const exchanges = repeat(29, () => ({ messages: [system(RULES), user(sentence())] }))
    expect(found(exchanges, { minSessions: 30 })).toEqual([])
    expect(found([...exchanges, ...exchanges.slice(0, 5)], { minSessions: 25 })).toHaveLength(1)
  })

  it('does not take the growing history of one conversation for few-shot examples', () => {
    const texts = [sentence()]
    const loop = repeat(60, () => {
      const messages = [
        system(RULES),
        ...texts.map((text, at) => (at % 2 === 0 ? user(text) : assistant(text))),
      ]
      const response = sentence()
      texts.push(response, sentence())
      return { messages, response }
    })
    expect(found(loop)).toEqual([])
  })

  it.each([
    ['as it came', ''],
    ['with a line break', '\n'],
  ])('finds the prompt of conversations and how many turns follow an answer %s', (_, end) => {
    const chats = repeat(50, (index) => ({
      messages: [system(RULES), user(sentence())],
      response: `r${index}`,
    }))
    const followed = chats.flatMap((chat) => [
      chat,
      {
        messages: [...chat.messages, assistant(chat.response! + end), user(sentence())],
        response: 'ok',
      },
    ])
    const [template, ...others] = found(followed)
    expect(others).toEqual([])
    expect(template?.maxTurnsAfter).toBe(2)
    expect(kindsOf(template)).toEqual([['anchor'], ['query']])
  })

  it('finds few-shot pairs as constant messages', () => {
    const shots = [
      user('where does the lamp go?'),
      assistant('third'),
      user('and this?'),
      assistant('first'),
    ]
    const [template] = found(
      repeat(40, () => ({ messages: [system(RULES), ...shots, user(sentence())] }))
    )
    expect(kindsOf(template).join(' ')).toBe('anchor anchor anchor anchor anchor query')
  })

  it('drops a date and an agent in the first line and keeps a field that decides the answer', () => {
    const fields = ['none', 'people', 'time', 'date']
    const exchanges = repeat(160, (index) => {
      const field = pick(fields)
      const day = new Date(Date.UTC(2025, 2, 1 + (index % 50))).toISOString().slice(0, 10)
      const agent = `Agent ${pick(WORDS)}`
      return {
        messages: [
          system(
            `Date: ${day} | On duty: ${agent} | Queue: app\n${RULES}\nRequested field: ${field}`
          ),
          user(sentence()),
        ],
        response: field === 'none' ? '{}' : `{"${field}":"${pick(WORDS)}"}`,
      }
    })
    const [template] = found(exchanges)
    const slots = slotsOf(template)
    expect(slots.map(({ name, kept }) => [name, kept])).toEqual([
      ['date', false],
      ['agent', false],
      ['requested_field', true],
    ])
    expect(slots.map(({ test }) => test?.reason)).toEqual([
      'typed-value',
      'no-effect',
      'predicts-answer',
    ])
    expect(slots[2]?.values).toEqual([...fields].sort())
  })

  it('keeps a slot when no answers were logged', () => {
    const exchanges = repeat(120, () => ({
      messages: [system(`${RULES}\nShelf: ${pick(WORDS)}`), user(sentence())],
    }))
    expect(slotsOf(found(exchanges)[0])).toMatchObject([
      { name: 'shelf', kept: true, test: { reason: 'undecided' } },
    ])
  })

  it('leaves text that queries share by chance in the query', () => {
    const [template] = found(
      repeat(40, () => ({ messages: [user(`${RULES}\n\nTask\nWrite a poem on ${sentence()}`)] }))
    )
    expect(kindsOf(template)).toEqual([['anchor', 'query']])
    const [anchor] = template!.messages[0]!.segments
    expect(anchor).toMatchObject({ text: `${RULES}\n\nTask\n` })
  })

  it('finds text behind the query', () => {
    const [template] = found(
      repeat(40, () => ({ messages: [system(RULES), user(`Letter: ${sentence()}\n\nDrawer:`)] }))
    )
    expect(template?.messages[1]?.segments).toEqual([
      { kind: 'anchor', text: 'Letter: ' },
      { kind: 'query' },
      { kind: 'anchor', text: '\n\nDrawer:' },
    ])
  })

  it('separates the versions of a prompt that was edited by one digit', () => {
    const exchanges = repeat(120, (index) => ({
      messages: [system(limited(index < 60 ? 5 : 6)), user(sentence())],
    }))
    const templates = found(exchanges)
    expect(templates).toHaveLength(2)
    for (const limit of [5, 6]) {
      const hits = templates.filter((template) =>
        compileMatcher([template]).match(KEY, [system(limited(limit)), user('x')])
      )
      expect(hits).toHaveLength(1)
    }
  })

  it('does not make versions of the days of a date', () => {
    const exchanges = repeat(120, (index) => ({
      messages: [
        system(`Today: 2025-03-0${1 + Math.floor(index / 40)}\n${RULES}`),
        user(sentence()),
      ],
    }))
    const templates = found(exchanges)
    expect(templates).toHaveLength(1)
    expect(slotsOf(templates[0])).toMatchObject([{ name: 'today', kept: false }])
  })

  // a mark of the user's own beside a NUL once passed for a masked date, and detection threw
  it.each([0, 1, 2, 3, 4, 5])('reads private-use characters as text (draw %i)', (draw) => {
    const exchanges = repeat(120, (index) => {
      const beside = (index * 31 + draw) % 10 < 3 ? '\ue000' : '\u0000'
      return {
        messages: [
          system(`${RULES}\n${beside} 2026-10-15 ${beside}\nName one drawer.`),
          user(sentence()),
        ],
      }
    })
    expect(found(exchanges).map(slotsOf)).toMatchObject([[{ kept: true }]])
  })

  it('makes a weekday in a prompt of one long line a slot, not five prompts', () => {
    const days = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday']
    const prompt = (index: number): string =>
      `${RULES.replaceAll('\n', ' ')} Today is ${days[index % days.length]}. Answer with the label alone.`
    const exchanges = repeat(200, (index) => ({
      messages: [system(prompt(index)), user(sentence())],
      response: `label ${index % 3}`,
    }))
    const [template, ...others] = found(exchanges)
    expect(others).toEqual([])
    expect(kindsOf(template)).toEqual([['anchor', 'slot', 'anchor'], ['query']])
  })

  it('leaves whitespace variants out of the template', () => {
    const exchanges = repeat(100, (index) => ({
      messages: [system(index % 5 === 0 ? `${RULES}\n` : RULES), user(sentence())],
    }))
    const matcher = compileMatcher(found(exchanges))
    expect(matcher.size).toBe(1)
    expect(matcher.match(KEY, [system(RULES), user('x')])).not.toBeNull()
    expect(matcher.match(KEY, [system(`${RULES}\n`), user('x')])).toBeNull()
  })

  it('finds nothing in one request repeated', () => {
    expect(found(repeat(90, () => ({ messages: [system(RULES), user('ping')] })))).toEqual([])
  })

  it('keeps tenants, models and tools apart', () => {
    const detector = new Detector()
    const exchanges = repeat(20, () => ({ messages: [system(RULES), user(sentence())] }))
    for (const tenant of ['a', 'b', 'c']) observeAll(detector, exchanges, { ...KEY, tenant })
    expect(detector.candidates()).toEqual([])
  })

  it.each<[string, ChatMessage[]]>([
    ['images', [{ role: 'user', content: [{ type: 'image_url' }] }]],
    ['tool messages', [{ role: 'tool', content: 'x', tool_call_id: '1' }]],
    ['no messages', []],
    ['lone surrogates and null characters', [user('\ud800\u0000 x'.repeat(50))]],
  ])('survives %s', (_, messages) => {
    expect(found(repeat(40, () => ({ messages })))).toEqual([])
  })
})

describe('the detector as a sketch', () => {
  const rows = syntheticStream(8)
  it('is deterministic', () => {
    const [left, right] = [feed(new Detector(), rows), feed(new Detector(), rows)]
    expect(left.candidates()).toEqual(right.candidates())
    expect(Buffer.compare(left.snapshot(), right.snapshot())).toBe(0)
  })

  it('continues from a snapshot as without a restart', () => {
    const half = rows.length >> 1
    const first = feed(new Detector(), rows.slice(0, half))
    const second = new Detector()
    second.restore(first.snapshot())
    feed(second, rows.slice(half))
    const whole = feed(new Detector(), rows)
    expect(second.candidates()).toEqual(whole.candidates())
  })

  it('merges: two detectors with half of the traffic each find all templates together', () => {
    const [left, right] = [0, 1].map((half) =>
      feed(
        new Detector(),
        rows.filter((_, index) => index % 2 === half)
      )
    ) as [Detector, Detector]
    expect(left.candidates().length).toBeLessThan(12)
    left.restore(right.snapshot())
    const score = scoreTemplates(left.candidates(), rows, KEY, 30)
    expect(score).toMatchObject({ wrong: [], mixed: [] })
    expect(score.found.length).toBeGreaterThanOrEqual(11)
  })

  it('refuses a damaged snapshot and one of another seed', () => {
    const bytes = feed(new Detector(), rows.slice(0, 300)).snapshot()
    expect(() => new Detector().restore(bytes.subarray(0, bytes.length - 9))).toThrow(/snapshot/u)
    expect(() => new Detector({ seed: 1 }).restore(bytes)).toThrow(/seed/u)
  })

  it('stays within its bounds for the worst traffic', () => {
    const limits = { maxLines: 2 ** 12, maxTrieNodes: 2 ** 10, maxConversations: 2 ** 10 }
    const detector = new Detector({ ...limits, maxSampleBytes: 200_000, maxClusters: 32 })
    const fixed = detector.bytes
    for (let index = 0; index < 20_000; index++) {
      // a line that recurs and one that never does: worst case for the clusters
      const line = `line number ${index % 500} of a prompt that comes back now and then`
      const content = `${line}\n${index} ${sentence()}`
      detector.observe({ key: KEY, messages: [user(content)], at: index })
    }
    expect(detector.bytes).toBeLessThanOrEqual(fixed + 200_000)
  })
})
