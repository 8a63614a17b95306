/** Few-shot pairs that are retrieved for each request, and what must not be taken for them. */
import { describe, expect, it } from 'vitest'
import { createDice, RULES, type Dice } from '../kit/traffic/applications.ts'
import { Detector, type Candidate } from '../../src/core/detect/detect.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import { retrievedPairs } from '../../src/core/template/example-pairs.ts'
import type { ChatMessage } from '../../src/openai/chat.ts'
import { assistant, KEY, user } from '../kit/traffic/prompts.ts'

const HEAD: ChatMessage = { role: 'system', content: RULES.join('\n') }

type Pair = readonly [string, string]

const turns = (pairs: readonly Pair[]): ChatMessage[] =>
  pairs.flatMap(([question, answer]) => [user(question), assistant(answer)])

const poolOf = (size: number): Pair[] => {
  const dice = createDice(77)
  return Array.from({ length: size }, (_, index) => [
    `${dice.sentence()} (${index})`,
    `drawer ${index % 7}`,
  ])
}

const retrieved = (dice: Dice, pool: Pair[], count = 8): ChatMessage[] => [
  HEAD,
  ...turns(Array.from({ length: count }, () => dice.pick(pool))),
  user(dice.sentence()),
]

const detectorOf = (all: ChatMessage[][], response = 'drawer 1'): Detector => {
  const detector = new Detector()
  all.forEach((messages, at) => detector.observe({ key: KEY, messages, response, at: at * 60_000 }))
  return detector
}

const found = (all: ChatMessage[][]): Candidate[] => detectorOf(all).candidates()

const times = <Item>(count: number, make: (dice: Dice) => Item, seed = 1): Item[] => {
  const dice = createDice(seed)
  return Array.from({ length: count }, () => make(dice))
}

const matched = (templates: Candidate[], all: ChatMessage[][]): number =>
  all.filter((messages) => compileMatcher(templates).match(KEY, messages) !== null).length

describe('few-shot pairs retrieved for each request', () => {
  it.each([10, 60, 300, 2000])('are found within 100 requests (a pool of %i)', (size) => {
    const pool = poolOf(size)
    const [template, ...others] = found(times(100, (dice) => retrieved(dice, pool)))
    expect(others).toEqual([])
    expect(retrievedPairs(template!)).toEqual([1, 3, 5, 7, 9, 11, 13, 15])
    expect(template!.messages.at(-1)!.segments).toEqual([{ kind: 'query' }])
  })

  it('match once their pool is known, and give the query alone', () => {
    const pool = poolOf(60)
    const templates = found(times(150, (dice) => retrieved(dice, pool)))
    const next = times(100, (dice) => retrieved(dice, pool), 2)
    expect(matched(templates, next)).toBeGreaterThan(95)
    const match = compileMatcher(templates).match(KEY, next[0]!)!
    expect(match.query).toBe(next[0]!.at(-1)!.content)
    expect(match.slots).toEqual({})
    expect(match.turns).toEqual([])
  })

  it('are found where questions stand in a frame and answers repeat', () => {
    const pool = poolOf(200).map(([question], index): Pair => [
      `Text: ${question}\nShelf: ${index % 9}`,
      'yes',
    ])
    const make = (dice: Dice): ChatMessage[] => [
      ...retrieved(dice, pool, 5).slice(0, -1),
      user(`Text: ${dice.sentence()}\nShelf: 4`),
    ]
    const templates = found(times(100, make))
    expect(templates.map((each) => retrievedPairs(each).length)).toEqual([5])
  })

  it('are not found before the pool recurs', () => {
    const dice = createDice(5)
    const fresh = (): Pair => [dice.sentence() + dice.id(), dice.sentence() + dice.id()]
    const all = times(150, () => [
      HEAD,
      ...turns([fresh(), fresh(), fresh()]),
      user(dice.sentence()),
    ])
    expect(found(all)).toEqual([])
  })

  it('keep constant pairs as anchors, exact to the letter', () => {
    const pool = poolOf(3)
    const make = (dice: Dice): ChatMessage[] => [HEAD, ...turns(pool), user(dice.sentence())]
    const templates = found(times(60, make))
    expect(retrievedPairs(templates[0]!)).toEqual([])
    const changed = make(createDice(9))
    expect(matched(templates, [changed])).toBe(1)
    changed[3] = user(`${String(changed[3]!.content)}!`)
    expect(matched(templates, [changed])).toBe(0)
  })

  it('come back from a snapshot, and from two detectors with half of the traffic each', () => {
    const pool = poolOf(60)
    const all = times(160, (dice) => retrieved(dice, pool))
    const halves = [0, 1].map((half) => detectorOf(all.filter((_, at) => at % 2 === half)))
    const merged = new Detector()
    for (const half of halves) merged.restore(half.snapshot())
    const again = new Detector()
    again.restore(merged.snapshot())
    expect(again.candidates()).toEqual(merged.candidates())
    expect(
      matched(
        merged.candidates(),
        times(100, (dice) => retrieved(dice, pool), 2)
      )
    ).toBe(100)
  })
})

const inOneText = (dice: Dice): ChatMessage[] => {
  const history = [1, 2, 3].map(() => `Guest: ${dice.sentence()}\nDesk: ${dice.sentence()}`)
  return [HEAD, user(`So far:\n${history.join('\n')}\nNow:\nGuest: ${dice.sentence()}`)]
}

describe('turns of a real conversation', () => {
  const pool = poolOf(60)
  const templates = found(times(200, (dice) => retrieved(dice, pool)))
  const compiled = compileMatcher(templates)
  const examples = (count: number): Pair[] => pool.slice(0, count)
  const said: Pair[] = times(8, (dice): Pair => [dice.sentence(), dice.sentence()], 31)
  const shapes: [string, Pair[]][] = [
    ['eight turns and no example', said],
    ['examples before turns', [...examples(5), ...said.slice(0, 3)]],
    ['one turn behind seven examples', [...examples(7), said[0]!]],
    ['turns before examples', [...said.slice(0, 3), ...examples(5)]],
    ['one letter of the last example changed', [...examples(7), [`${pool[9]![0]}.`, pool[9]![1]]]],
    ['another answer to the last example', [...examples(7), [pool[9]![0], 'drawer 9']]],
    ['another answer to the first example', [[pool[9]![0], 'drawer 9'], ...examples(7)]],
  ]

  it('is no example: only pairs that several sessions sent are', () => {
    expect(compiled.match(KEY, [HEAD, ...turns(examples(8)), user('where?')])).not.toBeNull()
  })

  it.each(shapes)('is never removed: %s', (_, pairs) => {
    expect(compiled.match(KEY, [HEAD, ...turns(pairs), user('where?')])).toBeNull()
  })

  it('is kept where the history stands in one text, labelled like the question', () => {
    const [template] = found(times(100, inOneText))
    const messages = inOneText(createDice(12))
    const match = compileMatcher([template!]).match(KEY, messages)!
    expect(match.examples).toEqual({})
    const kept = [...Object.values(match.slots), match.query].join('\n')
    for (const line of String(messages[1]!.content).match(/(?<=: ).+/gu)!)
      expect(kept).toContain(line)
  })

  it('is kept behind the examples', () => {
    const chats = times(120, (dice) => {
      const first = retrieved(dice, pool)
      return [first, [...first, assistant('drawer 1'), user(dice.sentence())]]
    }).flat()
    const later = [HEAD, ...turns([...examples(8), said[0]!]), user('where?')]
    later[18] = assistant('drawer 1')
    const match = compileMatcher(found(chats)).match(KEY, later)!
    expect(match.turns).toEqual([assistant('drawer 1'), user('where?')])
    expect(match.query).toBe(said[0]![0])
  })

  it('makes no template where sessions of the same prompt begin without pairs', () => {
    const menu: Pair[] = [
      ['1', 'Which parcel?'],
      ['2', 'Which invoice?'],
      ['hi', 'Hello! What can I do?'],
    ]
    // the client shortens our answers, so each turn looks like the first request of a session
    const chats = times(120, (dice) => [
      [HEAD, user(dice.pick(menu)[0])],
      [HEAD, ...turns([dice.pick(menu)]), user(dice.sentence())],
    ]).flat()
    // nor are the three pairs anchors of three templates
    expect(found(chats)).toEqual([])
  })

  it('does not hide constant pairs that an edit adds to a prompt', () => {
    const constant = turns(poolOf(2))
    const before = times(60, (dice) => [HEAD, user(dice.sentence())])
    const after = times(60, (dice) => [HEAD, ...constant, user(dice.sentence())])
    expect(found([...before, ...after]).map(({ messages }) => messages.length)).toEqual([2, 6])
  })

  it('makes no template where the first turn of a chat is of another model', () => {
    const greeting: Pair = ['hi', 'Hello! What can I do?']
    const detector = new Detector()
    times(120, (dice) => {
      const question = user(dice.sentence())
      const first = { key: { ...KEY, model: 'large' }, messages: [HEAD, user('hi again')] }
      const second = { key: KEY, messages: [HEAD, ...turns([greeting]), question] }
      for (const each of [first, second]) detector.observe({ ...each, at: 0 })
    })
    // a turn that all sessions have is the application's
    expect(detector.candidates().map((each) => retrievedPairs(each))).toEqual([[]])
    const menu = times(120, (dice) => [HEAD, ...turns([dice.pick(pool)]), user(dice.sentence())])
    for (const [at, messages] of menu.entries()) detector.observe({ key: KEY, messages, at })
    expect(detector.candidates()).toEqual([])
  })

  it('makes no example of the pairs of one conversation that is sent twice', () => {
    const made = times(100, (dice) => retrieved(dice, pool))
    const edited = [
      [HEAD, ...turns(said), user('where?')],
      [HEAD, ...turns(said), user('where then?')],
    ]
    const all = found([...made, ...edited])
    expect(all).toHaveLength(1)
    expect(matched(all, edited)).toBe(0)
  })

  it('of a template that was found before pairs were known matches nothing', () => {
    const { knownPairs: _, ...old } = templates[0]!
    expect(compileMatcher([old]).match(KEY, [HEAD, ...turns(examples(8)), user('x')])).toBeNull()
  })
})
