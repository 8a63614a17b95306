/** What may stand in the places of a template that are removed without being read. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createDice } from '../kit/traffic/applications.ts'
import {
  answerOf,
  cleanSent,
  exampleOf,
  examplePool,
  messagesOf,
  NOTES,
  PLANTED,
  withExamples,
  type Sent,
} from '../kit/traffic/noted.ts'
import { Detector, type Candidate } from '../../src/core/detect/detect.ts'
import { compileMatcher } from '../../src/core/match/match.ts'
import { blockDigests } from '../../src/core/template/example-items.ts'
import { droppedSlots, examplesOf } from '../../src/core/template/known.ts'
import { removedPlaces } from '../../src/core/template/removed-places.ts'
import { shapeOf } from '../../src/core/template/shape.ts'
import { KEY } from '../kit/traffic/prompts.ts'

const observe = (detector: Detector, all: Sent[], caller?: string): Detector => {
  all.forEach((sent, at) =>
    detector.observe({
      key: { ...KEY, caller },
      messages: messagesOf(sent),
      response: answerOf(sent),
      at: at * 60_000,
    })
  )
  return detector
}

const times = <T>(count: number, make: (at: number) => T): T[] =>
  Array.from({ length: count }, (_, at) => make(at))

const matchedBy = (templates: Candidate[], sent: Sent, caller?: string) =>
  compileMatcher(templates).match({ ...KEY, caller }, messagesOf(sent))

const POOL = examplePool(20)
describe('a note in a removed place of one caller', () => {
  const names = Object.keys(NOTES)

  // in one of a hundred requests a planted example is like any other of the pool: the gate judges that
  const cases = names.flatMap((name) =>
    (name === PLANTED ? [0.03, 0.1, 0.3] : [0.01, 0.03, 0.1, 0.3]).map(
      (share) => [name, share] as const
    )
  )

  it.each(cases)(
    '%s, in a share of %d, is never removed where it is not removed from all',
    (name, share) => {
      const dice = createDice(8)
      const plant = NOTES[name]!
      const all = times(400, (at) => {
        const sent = cleanSent(dice, POOL)
        return at % Math.round(1 / share) === 0 ? plant(sent) : sent
      })
      const templates = observe(new Detector(), all).candidates()
      const later = times(20, () => plant(cleanSent(dice, POOL)))
      const removed = later.filter((sent) => {
        const match = matchedBy(templates, sent)
        if (match === null) return false
        const read = new Set(
          match.template.messages.flatMap(({ segments }) =>
            segments.flatMap((each) => (each.kind === 'slot' && each.kept ? [each.name] : []))
          )
        )
        const kept = Object.entries(match.slots).filter(([slot]) => read.has(slot))
        return !/black/u.test(kept.map(([, value]) => value).join())
      })
      expect(removed).toEqual([])
    }
  )

  it('does not keep the others from being found and matched', () => {
    const dice = createDice(9)
    const all = times(300, (at) => {
      const sent = cleanSent(dice, POOL)
      return at % 20 === 0 ? NOTES['behind the examples']!(sent) : sent
    })
    const templates = observe(new Detector(), all).candidates()
    const next = times(100, () => cleanSent(dice, POOL))
    expect(next.filter((sent) => matchedBy(templates, sent) !== null).length).toBeGreaterThan(95)
    expect(removedPlaces(templates[0]!)).toMatchObject([
      { name: '', holds: 'constant' },
      { name: 'date', holds: 'shapes', count: 1 },
      { name: 'duty', holds: 'shapes', count: 6 },
      { name: 'examples', holds: 'examples', count: 20 },
    ])
  })
})

describe('several callers of one tenant', () => {
  const planted = NOTES[PLANTED]!

  it.each([0.2, 0.5, 0.9])('what one of them plants is not known (a share of %d)', (share) => {
    const dice = createDice(4)
    const detector = new Detector()
    times(400, () => {
      const isPlanting = dice.next() < share
      const sent = cleanSent(dice, POOL)
      observe(detector, [isPlanting ? planted(sent) : sent], isPlanting ? 'one' : 'other')
    })
    const templates = detector.candidates()
    const digest = blockDigests(exampleOf('all of them', 'black'), {
      start: null,
      labels: [],
      forms: [],
      lead: '',
      tail: '',
    })![0]!
    for (const template of templates) {
      expect(template.caller).toBeUndefined()
      expect(examplesOf(template).flatMap(({ pool }) => pool?.known ?? [])).not.toContain(digest)
    }
  })

  it('share the examples and values that two of them send', () => {
    const dice = createDice(5)
    const detector = new Detector()
    times(300, (at) => observe(detector, [cleanSent(dice, POOL)], at % 2 === 0 ? 'one' : 'other'))
    const templates = detector.candidates()
    const next = times(50, () => cleanSent(dice, POOL))
    for (const caller of ['one', 'other', 'third'])
      expect(next.filter((sent) => matchedBy(templates, sent, caller)).length).toBeGreaterThan(45)
  })

  it('have no part in a template that is made of the requests of another one', () => {
    const dice = createDice(6)
    const detector = observe(
      new Detector(),
      times(200, () => planted(cleanSent(dice, POOL))),
      'one'
    )
    const templates = detector.candidates()
    const next = times(30, () => cleanSent(dice, POOL))
    expect(next.filter((sent) => matchedBy(templates, sent, 'other'))).toEqual([])
    expect(next.filter((sent) => matchedBy(templates, sent))).toEqual([])
  })

  it('come back from a snapshot', () => {
    const dice = createDice(7)
    const detector = new Detector()
    times(200, (at) => observe(detector, [cleanSent(dice, POOL)], at % 2 === 0 ? 'one' : 'other'))
    detector.candidates()
    observe(
      detector,
      times(100, () => cleanSent(dice, examplePool(21))),
      'one'
    )
    const again = new Detector()
    again.restore(detector.snapshot())
    expect(again.candidates()).toEqual(detector.candidates())
  })
})

const isRemoved = (detector: Detector): boolean =>
  detector.candidates().some((template) => examplesOf(template).length > 0)

describe('a pool', () => {
  it('grows with the traffic after its template was found', () => {
    const dice = createDice(10)
    const large = examplePool(120)
    const detector = new Detector({ sampleSize: 40 })
    const matched = (): number =>
      times(100, () => cleanSent(createDice(dice.next() * 1e9), large)).filter(
        (sent) => matchedBy(detector.candidates(), sent) !== null && isRemoved(detector)
      ).length
    observe(
      detector,
      times(60, () => cleanSent(dice, large))
    )
    expect(isRemoved(detector)).toBe(false)
    observe(
      detector,
      times(600, () => cleanSent(dice, large))
    )
    expect(matched()).toBeGreaterThan(90)
  })

  it('that is not known yet is read, and the prompt around it is removed', () => {
    const dice = createDice(11)
    const open = examplePool(900)
    const templates = observe(
      new Detector(),
      times(150, () => cleanSent(dice, open))
    ).candidates()
    const sent = cleanSent(dice, examplePool(901))
    const match = matchedBy(templates, sent)!
    expect(match.query).toBe(sent.question)
    expect(Object.values(match.slots)).toContainEqual(
      expect.stringContaining(sent.examples.split('\n')[1]!)
    )
  })
})

describe('no text that was not in the requests of the log', () => {
  const place = fc.constantFrom(...Object.keys(NOTES))
  const log = fc.record({
    seed: fc.nat(1e6),
    pool: fc.constantFrom(5, 20, 60),
    share: fc.constantFrom(0, 0.02, 0.1, 0.4),
    place,
    laterPlace: place,
    words: fc.array(fc.constantFrom('nine', 'Ω', 'May', '12', 'shelf', 'ALL'), { maxLength: 4 }),
  })

  it('is ever removed: shapes of values were there, and examples letter by letter', () => {
    let matched = 0
    fc.assert(
      fc.property(log, ({ seed, pool: size, share, place: at, laterPlace, words }) => {
        const dice = createDice(seed)
        const pool = examplePool(size)
        const logged = times(150, () => {
          const sent = cleanSent(dice, pool)
          return dice.next() < share ? NOTES[at]!(sent) : sent
        })
        const templates = observe(new Detector(), logged).candidates()
        const shapes = new Set(logged.flatMap(({ date, agent }) => [date, agent]).map(shapeOf))
        const blocks = logged.map(({ examples }) => examples).join('\n\n')
        const later = times(40, (index) => {
          const sent = cleanSent(dice, pool)
          if (index % 4 === 0) return NOTES[laterPlace]!(sent)
          if (index % 4 === 1) return { ...sent, agent: words.join(' ') }
          return index % 4 === 2 ? withExamples(sent, (old) => [...old, words.join(' ')]) : sent
        })
        for (const sent of later) {
          const match = matchedBy(templates, sent)
          if (match === null) continue
          matched++
          for (const { name } of droppedSlots(match.template))
            expect(shapes.has(shapeOf(match.slots[name]!))).toBe(true)
          for (const { name, pool: known } of examplesOf(match.template)) {
            const block = known!.division.lead + match.examples[name]! + known!.division.tail
            for (const item of block.split('\n\n')) expect(blocks).toContain(item)
          }
        }
      }),
      { numRuns: 30 }
    )
    expect(matched).toBeGreaterThan(200)
  })
})
