import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { burstsOf } from '../../src/core/learn/bursts.ts'
import { normalizeQuery } from '../../src/core/learn/dataset.ts'
import { splitPopulation, type SplitSettings } from '../../src/core/learn/split.ts'
import type { Match } from '../../src/core/template/template.ts'
import { DAY_MS } from '../kit/store/days.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { anchor, slot } from '../kit/traffic/prompts.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** 2026-11-29, 12:00 UTC */
const NOW = Date.UTC(2026, 10, 29, 12)

/** Without bursts, unless a test names their length. */
const settings = (changed: Partial<SplitSettings> = {}): SplitSettings => ({
  trainRows: 30,
  holdoutRows: 20,
  burstMinutes: 0,
  seed: 1,
  now: NOW,
  ...changed,
})

/** @param i minutes before now */
const exchange = (i: number, query = `question number ${i}`, conversation = `chat-${i}`) => ({
  id: `id-${String(i).padStart(4, '0')}`,
  at: NOW - i * MINUTE_MS,
  conversation,
  query,
})

type Exchange = ReturnType<typeof exchange>

/** Oldest first, one a minute. */
const many = (count: number): Exchange[] =>
  Array.from({ length: count }, (_, i) => exchange(count - 1 - i))

const spaced = (count: number, stepMs: number, until = NOW): Exchange[] =>
  many(count).map((one, i) => ({ ...one, at: until - (count - 1 - i) * stepMs }))

const frequent = (i: number) => exchange(i, `frequent ${i % 5}`)

const ids = (exchanges: readonly { id: string }[]): string[] => exchanges.map(({ id }) => id)

const slotOf = ({ at }: { at: number }): number => Math.floor(at / (5 * MINUTE_MS))

/** Of the newest eight hours. */
const isHard = ({ at }: { at: number }): boolean => at > NOW - 8 * HOUR_MS

const isNew = ({ query }: { query: string }): boolean => query.startsWith('question')

const heldOut = ({ traffic, unseen }: { traffic: Exchange[]; unseen: Exchange[] }): Set<string> =>
  new Set(ids([...traffic, ...unseen]))

const timesOf = (exchanges: readonly { at: number }[]): number[] => exchanges.map(({ at }) => at)

const kindOf = ({ query }: { query: string }): string => query.split(' ')[0]!

const matchOf = (slots: Record<string, string>, ...turns: string[]): Match => ({
  template: {
    ...exampleTemplate(),
    messages: [
      {
        role: 'system',
        segments: [
          anchor('Requested: '),
          slot('requested'),
          slot('plan'),
          slot('date', { kept: false }),
        ],
      },
      { role: 'user', segments: [{ kind: 'query' }] },
    ],
  },
  slots,
  examples: {},
  query: 'four',
  turns: turns.map((content) => ({ role: 'user', content })),
})

describe('traffic of a job that asks its questions in turns', () => {
  it('trains and judges with each kind of them', () => {
    for (const count of [240, 480, 960]) {
      const rows = many(count).map((one, i) => ({ ...one, query: `kind-${i % 8} number ${i}` }))
      const { train, traffic } = splitPopulation(rows, settings({ trainRows: 60, holdoutRows: 60 }))
      for (const part of [train, traffic]) {
        const times = Array.from(
          { length: 8 },
          (_, kind) => part.filter((one) => kindOf(one) === `kind-${kind}`).length
        )
        expect(Math.min(...times)).toBeGreaterThan(1)
      }
    }
  })
})

describe('the sample of traffic', () => {
  it('is drawn over the whole window, and so are the training rows', () => {
    const { train, traffic, unseen } = splitPopulation(spaced(700, 14 * MINUTE_MS), settings())
    expect([train.length, traffic.length]).toEqual([30, 20])
    expect(ids(unseen)).toEqual(ids(traffic))
    for (const part of [train, traffic])
      for (const third of [0, 1, 2]) {
        const from = NOW - (3 - third) * ((700 * 14 * MINUTE_MS) / 3)
        const until = from + (700 * 14 * MINUTE_MS) / 3
        expect(part.filter(({ at }) => at > from && at <= until).length).toBeGreaterThanOrEqual(5)
      }
  })

  it('has one exchange of each stretch of time where requests are independent', () => {
    const rows = spaced(400, 20 * MINUTE_MS)
    const { traffic } = splitPopulation(rows, settings({ trainRows: 200, holdoutRows: 20 }))
    const stretches = traffic.map(({ at }) => Math.floor((at - rows[0]!.at) / (400 * MINUTE_MS)))
    expect(stretches).toEqual([...Array(20).keys()])
  })

  it('has as many rows of hard hours as the window has, where the newest rows are all hard', () => {
    // a week of 1,008 slots of ten minutes; the newest eight hours are the hard ones
    const rows = spaced(1_008 * 4, 2.5 * MINUTE_MS)
    const share = rows.filter(isHard).length / rows.length
    const shares = Array.from({ length: 30 }, (_, seed) => {
      const drawn = settings({ trainRows: 500, holdoutRows: 500, burstMinutes: 5, seed })
      const { traffic } = splitPopulation(rows, drawn)
      expect(traffic).toHaveLength(500)
      return traffic.filter(isHard).length / 500
    })
    const mean = shares.reduce((sum, each) => sum + each, 0) / shares.length
    // the newest 500 rows would be hard in 192 of 500
    expect(Math.abs(mean - share)).toBeLessThan(0.001)
    expect(Math.max(...shares)).toBeLessThan(share + 0.02)
  })

  it('gives every exchange of the window the same chance, also in bursts of different sizes', () => {
    const sizes = Array.from(
      { length: 60 },
      (_, i) => [1, 1, 2, 9, 1, 4, 1, 1, 12, 1, 3, 4][i % 12]!
    )
    const rows = sizes.flatMap((size, burst) =>
      Array.from({ length: size }, (_, i) => ({
        ...exchange(0, `b${burst} q${i}`, `b${burst} c${i}`),
        id: `b${burst}-${i}`,
        at: NOW - (sizes.length - burst) * HOUR_MS,
      }))
    )
    const drawn = new Map<string, number>()
    const DRAWS = 800
    for (let seed = 0; seed < DRAWS; seed++)
      for (const { id } of splitPopulation(
        rows,
        settings({ trainRows: 100, holdoutRows: 50, burstMinutes: 5, seed })
      ).traffic)
        drawn.set(id, (drawn.get(id) ?? 0) + 1)
    const chances = rows.map(({ id }) => drawn.get(id)! / DRAWS)
    const mean = chances.reduce((sum, each) => sum + each, 0) / chances.length
    expect(mean).toBeCloseTo(50 / 200, 2)
    expect(Math.min(...chances)).toBeGreaterThan(0.18)
    expect(Math.max(...chances)).toBeLessThan(0.32)
  })

  it('is older than the window only where the window has too few rows', () => {
    const month = spaced(1_000, 43 * MINUTE_MS)
    const week = splitPopulation(month, settings({ trainRows: 100, holdoutRows: 50 }))
    expect(Math.min(...timesOf(week.traffic))).toBeGreaterThanOrEqual(NOW - 7 * DAY_MS)
    const more = splitPopulation(month, settings({ trainRows: 400, holdoutRows: 300 }))
    const from = Math.min(...timesOf(more.traffic))
    expect(from).toBeLessThan(NOW - 7 * DAY_MS)
    expect(from).toBeGreaterThanOrEqual(month.at(-600)!.at)
    // the earlier rows fill up training
    expect(more.train).toHaveLength(400)
  })

  it('is drawn anew with another seed, and the same with the same', () => {
    const rows = spaced(300, HOUR_MS / 2)
    const one = splitPopulation(rows, settings())
    expect(splitPopulation(rows.toReversed(), settings())).toEqual(one)
    expect(ids(splitPopulation(rows, settings({ seed: 2 })).traffic)).not.toEqual(ids(one.traffic))
  })

  it('has repeats as they came, also those of questions that train', () => {
    const rows = spaced(400, HOUR_MS / 4).map((row, i) =>
      i % 2 === 0 ? { ...row, query: `frequent ${i % 5}` } : row
    )
    const { train, traffic, unseen } = splitPopulation(
      rows,
      settings({ trainRows: 60, holdoutRows: 100 })
    )
    const trained = new Set(train.map(({ query }) => query))
    expect(traffic.filter(({ query }) => trained.has(query)).length).toBeGreaterThan(10)
    expect(unseen.filter(({ query }) => trained.has(query))).toEqual([])
  })
})

describe('exchanges that are not a random part of the traffic', () => {
  it('are in no sample, and train', () => {
    const mixed = many(100).map((one, i) => ({ ...one, isSample: i % 4 === 0 }))
    const { train, traffic, unseen } = splitPopulation(
      mixed,
      settings({ trainRows: 40, holdoutRows: 10 })
    )
    expect(traffic).toHaveLength(10)
    expect([...traffic, ...unseen].every(({ isSample }) => isSample)).toBe(true)
    expect(train.some(({ isSample }) => !isSample)).toBe(true)
    expect(train).toHaveLength(40)
  })

  it('are never held out, however few others there are', () => {
    const mixed = many(100).map((one, i) => ({ ...one, isSample: i >= 95 }))
    const rows = { trainRows: 40, holdoutRows: 10 }
    expect(ids(splitPopulation(mixed, settings(rows)).traffic)).toEqual(ids(mixed.slice(-5)))
    const none = splitPopulation(
      mixed.map((one) => ({ ...one, isSample: false })),
      settings(rows)
    )
    expect(none.traffic).toEqual([])
  })
})

describe('bursts', () => {
  it('are all conversations that begin in one slot of time', () => {
    const start = NOW - (NOW % (5 * MINUTE_MS))
    const rows = [
      { ...exchange(1, 'a', 'one'), at: start },
      { ...exchange(2, 'b', 'two'), at: start + 4 * MINUTE_MS },
      { ...exchange(3, 'c', 'one'), at: start + 6 * MINUTE_MS },
      { ...exchange(4, 'd', 'three'), at: start + 5 * MINUTE_MS },
    ]
    expect(burstsOf(rows, 5 * MINUTE_MS).map(ids)).toEqual([
      ['id-0001', 'id-0003', 'id-0002'],
      ['id-0004'],
    ])
    expect(burstsOf(rows, 0)).toHaveLength(3)
  })

  it('are on one side only', () => {
    // a job of thirty requests each hour
    const rows = Array.from({ length: 40 * 30 }, (_, i) => ({
      ...exchange(i),
      at: NOW - Math.floor(i / 30) * HOUR_MS - (i % 30) * 1_000,
    }))
    const { train, traffic, unseen } = splitPopulation(
      rows,
      settings({ trainRows: 400, holdoutRows: 300, burstMinutes: 5 })
    )
    const trained = new Set(train.map(slotOf))
    expect([...traffic, ...unseen].filter((row) => trained.has(slotOf(row)))).toEqual([])
    expect([train.length, traffic.length]).toEqual([400, 300])
  })

  it('leave nothing to split where there is one', () => {
    const { train, traffic, unseen } = splitPopulation(
      spaced(100, 10, NOW - (NOW % DAY_MS) + 10_000),
      settings({ burstMinutes: 5 })
    )
    expect([train.length, traffic.length, unseen.length]).toEqual([30, 0, 0])
  })

  it('are not all held out: one trains', () => {
    const rows = [...spaced(90, 10, NOW - HOUR_MS), ...spaced(10, 10)]
    for (let seed = 0; seed < 20; seed++) {
      const { train, traffic } = splitPopulation(
        rows.map((row, i) => ({ ...row, id: `r${i}`, conversation: `c${i}`, query: `q ${i}` })),
        settings({ trainRows: 50, holdoutRows: 50, burstMinutes: 5, seed })
      )
      expect(train.length).toBeGreaterThan(0)
      expect(traffic.length).toBeGreaterThan(0)
    }
  })
})

describe('times that no clock should give', () => {
  const rows = spaced(400, 20 * MINUTE_MS)

  it('of the future are not held out, and do not move the window', () => {
    const future = [{ ...exchange(9_000), at: NOW + 400 * DAY_MS }]
    const rows500 = settings({ trainRows: 100, holdoutRows: 50 })
    const { traffic } = splitPopulation([...rows, ...future], rows500)
    expect(traffic).toHaveLength(50)
    expect(Math.max(...timesOf(traffic))).toBeLessThanOrEqual(NOW)
    expect(Math.min(...timesOf(traffic))).toBeGreaterThanOrEqual(rows[0]!.at)
  })

  it('of 1970 do not stretch the window, even where it has too few rows', () => {
    const past = Array.from({ length: 50 }, (_, i) => ({ ...exchange(8_000 + i), at: i }))
    const { traffic } = splitPopulation(
      [...past, ...rows],
      settings({ trainRows: 50, holdoutRows: 400 })
    )
    expect(Math.min(...timesOf(traffic))).toBeGreaterThanOrEqual(rows[0]!.at)
  })

  it('hold nothing out where all are later than the clock', () => {
    const { traffic } = splitPopulation(rows, settings({ now: rows[0]!.at - 1 }))
    expect(traffic).toEqual([])
  })

  it.each([
    ['one hour', spaced(60, MINUTE_MS)],
    ['ten years', spaced(1_000, (3_650 * DAY_MS) / 1_000)],
    [
      'two days with a day without traffic between',
      [...spaced(200, MINUTE_MS, NOW - 2 * DAY_MS), ...spaced(200, MINUTE_MS)].map((row, i) => ({
        ...row,
        id: `r${i}`,
        conversation: `c${i}`,
        query: `q ${i}`,
      })),
    ],
  ])('of %s are split', (_, log) => {
    const { train, traffic } = splitPopulation(log, settings({ burstMinutes: 5 }))
    expect(train.length).toBeGreaterThanOrEqual(25)
    expect(traffic.length).toBeGreaterThanOrEqual(15)
    expect(Math.max(...timesOf(traffic)) - Math.min(...timesOf(traffic))).toBeLessThanOrEqual(
      365 * DAY_MS
    )
  })
})

describe('earlier tries', () => {
  const rows = spaced(400, 20 * MINUTE_MS)
  const wanted = { trainRows: 100, holdoutRows: 100 }

  it('are judged by other rows, as long as there are some, and their rows train', () => {
    const first = splitPopulation(rows, settings(wanted))
    const judged = heldOut(first)
    const second = splitPopulation(rows, settings({ ...wanted, judged }))
    expect(second.traffic).toHaveLength(100)
    expect([...heldOut(second)].filter((id) => judged.has(id))).toEqual([])
    expect(second.train.some(({ id }) => judged.has(id))).toBe(true)
  })

  it('make the window longer where its rows have judged, rather than judge twice', () => {
    const month = spaced(1_000, 43 * MINUTE_MS)
    const judged = new Set(ids(month.slice(-300)))
    const { traffic } = splitPopulation(month, settings({ ...wanted, judged }))
    expect(traffic).toHaveLength(100)
    expect(traffic.filter(({ id }) => judged.has(id))).toEqual([])
  })

  it('share the rows that are missing, and no more', () => {
    const judged = new Set(ids(rows.slice(0, 340)))
    const { traffic } = splitPopulation(rows, settings({ ...wanted, judged }))
    expect(traffic).toHaveLength(100)
    // one conversation is left for training at least, whichever judged before
    expect(traffic.filter(({ id }) => !judged.has(id))).toHaveLength(60)
    expect(timesOf(traffic)).toEqual(timesOf(traffic).toSorted((a, b) => a - b))
  })
})

describe('training', () => {
  const asked = { requested: 'people', plan: 'pro', date: 'today' }
  it.each<[string, Match | undefined, Match | undefined, boolean]>([
    ['without templates', undefined, undefined, true],
    ['with equal slots', matchOf(asked), matchOf(asked), true],
    ['with another dropped slot', matchOf(asked), matchOf({ ...asked, date: 'later' }), true],
    ['with another kept slot', matchOf(asked), matchOf({ ...asked, plan: 'free' }), false],
    ['with exchanged values', matchOf(asked), matchOf({ requested: 'pro', plan: 'people' }), false],
    ['with an empty slot', matchOf({ ...asked, plan: '' }), matchOf({ requested: 'people' }), true],
    ['with another turn', matchOf(asked, 'why?'), matchOf(asked, 'how?'), false],
    ['with equal turns', matchOf(asked, 'why?'), matchOf(asked, 'why?'), true],
  ])('has one query %s once, with its newest answer, or twice', (_, first, second, isSame) => {
    const rows = [
      { ...exchange(40, 'hours?'), match: first, isSample: false },
      { ...exchange(39, 'Hours'), match: second, isSample: false },
      ...many(38),
    ]
    const { train } = splitPopulation(rows, settings({ trainRows: 32, holdoutRows: 8 }))
    expect(ids(train).filter((id) => id === 'id-0040' || id === 'id-0039')).toEqual(
      isSame ? ['id-0039'] : ['id-0040', 'id-0039']
    )
  })

  it('tells queries without letters apart', () => {
    const { train } = splitPopulation(
      [exchange(2, '?'), exchange(1, '!'), exchange(0, '!')],
      settings({ trainRows: 3, holdoutRows: 0 })
    )
    expect(ids(train)).toEqual(['id-0002', 'id-0000'])
  })

  it('orders conversations by their first exchange, and exchanges of one time by id', () => {
    const rows = [
      { ...exchange(3, 'c', 'late'), at: 5 },
      { ...exchange(1, 'b', 'early'), at: 5 },
      { ...exchange(2, 'd', 'middle'), at: 5 },
      { ...exchange(4, 'e', 'early'), at: 9 },
      { ...exchange(0, 'a', 'early'), at: 1 },
    ]
    const order = ['id-0000', 'id-0001', 'id-0004', 'id-0002', 'id-0003']
    for (const given of [rows, rows.toReversed()]) {
      const { train } = splitPopulation(given, settings({ trainRows: 5, holdoutRows: 0 }))
      expect(ids(train)).toEqual(order)
    }
  })

  it.each([
    [50, 150, 50, 25, 25],
    [50, 150, 10, 40, 10],
    [50, 30, 20, 30, 20],
    [1, 1, 0, 1, 0],
    [0, 5, 5, 0, 0],
    [3, 0, 0, 0, 0],
  ])('of %d exchanges, wanted %d and %d, has %d, and %d are held out', (rows, ...sizes) => {
    const [trainRows, holdoutRows, ...expected] = sizes as [number, number, number, number]
    const { train, traffic } = splitPopulation(many(rows), settings({ trainRows, holdoutRows }))
    expect([train.length, traffic.length]).toEqual(expected)
  })
})

describe('the sample of unseen questions', () => {
  it('is filled with questions that came once where traffic has few new ones', () => {
    const rows = many(350).map((row, i) => (i % 6 === 0 ? row : frequent(349 - i)))
    const { train, traffic, unseen } = splitPopulation(
      rows,
      settings({ trainRows: 20, holdoutRows: 50 })
    )
    expect(traffic.filter(isNew).length).toBeLessThan(20)
    // 59 questions came once, and 15 of them train beside the five frequent ones
    expect(unseen.length).toBeGreaterThanOrEqual(40)
    expect(unseen.every(isNew)).toBe(true)
    // traffic is what the lora is for, so its frequent questions are learned
    expect(train.filter((row) => !isNew(row))).toHaveLength(5)
    expect(train).toHaveLength(20)
  })

  it.each([12, 1_000])(
    'leaves training two thirds of the questions, of which it may have %i',
    (trainRows) => {
      const rows = many(80).map((row, i) => (i % 5 === 0 ? row : frequent(79 - i)))
      // 16 questions that came once, of which the traffic has some, and 5 frequent ones
      const { train, unseen } = splitPopulation(rows, settings({ trainRows, holdoutRows: 20 }))
      expect(train.length).toBeGreaterThanOrEqual(Math.min(trainRows, 10))
      expect(train.length).toBeLessThanOrEqual(14)
      expect(unseen.length).toBeGreaterThanOrEqual(7)
    }
  )

  it('has second turns although they all begin with one greeting', () => {
    const rows = Array.from({ length: 100 }, (_, i) => [
      exchange(2 * i + 1, 'hello', `chat-${i}`),
      exchange(2 * i, `hello\nquestion ${i}`, `chat-${i}`),
    ]).flat()
    const { train, traffic, unseen } = splitPopulation(
      rows,
      settings({ trainRows: 60, holdoutRows: 40 })
    )
    expect(traffic.filter(({ query }) => query !== 'hello')).toHaveLength(20)
    expect(unseen.length).toBeGreaterThanOrEqual(20)
    const trained = new Set(train.map(({ conversation }) => conversation))
    expect(traffic.filter(({ conversation }) => trained.has(conversation))).toEqual([])
  })
})

it('never shares a burst or a conversation, and never tests a trained question as unseen', () => {
  const row = fc.record({
    at: fc.nat(60),
    conversation: fc.nat(25),
    query: fc.nat(40),
    isSample: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 80 }),
      fc.nat(30),
      fc.nat(20),
      fc.constantFrom(0, 1, 5),
      fc.array(fc.nat(79)),
      fc.nat(1_000),
      (rows, trainRows, holdoutRows, burstMinutes, judged, seed) => {
        const exchanges = rows.map((one, i) => ({
          id: `id-${i}`,
          at: NOW - one.at * MINUTE_MS,
          conversation: `c${one.conversation}`,
          query: `Query ${one.query}`,
          isSample: one.isSample,
        }))
        const { train, traffic, unseen } = splitPopulation(
          exchanges,
          settings({
            trainRows,
            holdoutRows,
            burstMinutes,
            seed,
            judged: new Set(judged.map((i) => `id-${i}`)),
          })
        )
        expect(train.length).toBeLessThanOrEqual(trainRows)
        expect(traffic.length).toBeLessThanOrEqual(holdoutRows)
        expect(unseen.length).toBeLessThanOrEqual(holdoutRows)
        expect(new Set(ids(traffic)).size).toBe(traffic.length)
        const trained = new Set(train.map(({ query }) => normalizeQuery(query)))
        expect(trained.size).toBe(train.length)
        expect(unseen.filter(({ query }) => trained.has(normalizeQuery(query)))).toEqual([])
        const judges = [...traffic, ...unseen]
        expect(judges.every(({ isSample }) => isSample)).toBe(true)
        const burst = new Map(
          burstsOf(exchanges, burstMinutes * MINUTE_MS).flatMap((members, place) =>
            members.map(({ id }) => [id, place])
          )
        )
        const learned = new Set(train.map(({ id }) => burst.get(id)))
        expect(judges.filter(({ id }) => learned.has(burst.get(id)))).toEqual([])
      }
    ),
    { numRuns: 300 }
  )
})
