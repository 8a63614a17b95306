/** The simulated cache against one that compares whole requests, and the order of a mended request. */
import { assert, array, integer, nat, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { layOut, type Layout } from '../../../src/core/cache/layout.ts'
import { PiecePool, type Part } from '../../../src/core/cache/piece.ts'
import type { FamilyRequest } from '../../../src/core/cache/families.ts'
import { lonelyRows, prefixBytes, type Mend } from '../../../src/core/cache/simulate.ts'

const LIFE = 100
const lifeOf = (): number => LIFE
const pool = new PiecePool()

const requestOf = (
  parts: readonly [Part, string][],
  changed: Partial<FamilyRequest> = {}
): FamilyRequest => ({
  at: 0,
  model: 'm',
  place: 'm\nt',
  version: 'v',
  pieces: parts.map(([part, text]) => pool.of(text, part, part === 'slot' ? text.slice(0, 1) : '')),
  input: null,
  cached: null,
  isContext: false,
  ...changed,
})

const bytesAfter = (layout: Layout, mends: Mend[] = []): number[] => {
  return prefixBytes(layout, {
    mends: new Set(mends),
    lifeOf,
    isLonely: lonelyRows(layout, lifeOf),
  })
}

/** Two texts of different lengths, so that a wrong piece has a wrong sum. */
const WORDS = ['one', 'second', 'the third']

const drawn = array(
  record({
    words: array(nat(2), { minLength: 1, maxLength: 4 }),
    step: integer({ min: 0, max: 150 }),
    place: nat(1),
  }),
  { maxLength: 12 }
)

describe('the simulated cache', () => {
  it('holds the longest start that an earlier request of its place and time has', () => {
    assert(
      property(drawn, (all) => {
        let at = 0
        const requests = all.map(({ words, step, place }) => {
          at += step
          const texts = words.map((word): [Part, string] => ['constant', WORDS[word]!])
          return requestOf(texts, { at, place: `m\n${place}` })
        })
        const wanted = requests.map((request, index) => {
          const lengths = requests.slice(0, index).flatMap((before) => {
            if (before.place !== request.place || request.at - before.at > LIFE) return []
            const end = request.pieces.findIndex((piece, n) => piece !== before.pieces[n])
            const shared = request.pieces.slice(0, end < 0 ? undefined : end)
            return shared.reduce((sum, { bytes }) => sum + bytes, 0)
          })
          return Math.max(0, ...lengths)
        })
        expect(bytesAfter(layOut({ requests }))).toEqual(wanted)
      })
    )
  })
})

const LINES: [Part, string][] = [
  ['constant', 'aaaa'],
  ['constant', 'bbbbbbbb'],
]

const between = (value: string, at: number, changed: Partial<FamilyRequest> = {}): FamilyRequest =>
  requestOf([LINES[0]!, ['slot', value], LINES[1]!, ['query', `q${at}`]], { at, ...changed })

const toolsOf = (names: string[], at: number): FamilyRequest =>
  requestOf([...names.map((name): [Part, string] => ['tool', name]), ...LINES], { at })

describe('a mend', () => {
  const dates = ['2026-01-01', '2026-02-02', '2026-03-03']

  it('of a text moves it behind the last constant text', () => {
    const layout = layOut({ requests: dates.map((date, at) => between(date, at)) })
    // slots are named by their first letter, which these dates share
    expect(layout.causes).toContain('date')
    expect(bytesAfter(layout)).toEqual([0, 4, 4])
    expect(bytesAfter(layout, ['date'])).toEqual([0, 12, 12])
    // what stands behind all constant text already stays
    expect(bytesAfter(layout, ['user-text-first'])).toEqual([0, 4, 4])
  })

  it('of the tools puts them in one order, or makes one list of them', () => {
    const layout = layOut({
      requests: [toolsOf(['t1', 't22'], 0), toolsOf(['t22', 't1'], 1), toolsOf(['t1'], 2)],
    })
    expect(bytesAfter(layout)).toEqual([0, 0, 2])
    expect(bytesAfter(layout, ['tools-order'])).toEqual([0, 17, 2])
    expect(bytesAfter(layout, ['tools-change'])).toEqual([0, 17, 14])
  })

  it('of a gap keeps a prefix for requests that come alone, and for no other', () => {
    const layout = layOut({
      requests: [0, 50, 500, 510].map((at) =>
        between('2026-01-01', at, { place: `m\n${at % 100}` })
      ),
    })
    // at 510 another one of the family has just been, in a place of its own
    expect(bytesAfter(layout)).toEqual([0, 0, 0, 0])
    expect(bytesAfter(layout, ['gap'])).toEqual([0, 0, 22, 0])
    expect(bytesAfter(layout, ['several-models'])).toEqual([0, 22, 0, 22])
  })
})
