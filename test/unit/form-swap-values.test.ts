/** Further rows of tagged ones, by values of other rows. */
import { describe, expect, it } from 'vitest'
import { ValueSwaps, type TaggedRow } from '../../src/core/form/swap-values.ts'
import { wordsOf } from '../../src/core/form/words.ts'
import { beginOf, insideOf } from '../../src/core/form/targets.ts'
import { seededRandom } from '../../src/random.ts'

/** A row whose values are in brackets, each with the number of its field: `see [0:Mary Ann] at [1:7:15]`. */
const row = (marked: string): TaggedRow => {
  const tags: number[] = []
  let text = ''
  for (const part of marked.split(/(\[\d:[^\]]*\])/)) {
    const found = /^\[(\d):(.*)\]$/.exec(part)
    const shown = found ? found[2]! : part
    const field = Number(found?.[1])
    for (let word = 0; word < wordsOf(shown).length; word++)
      tags.push(found ? (word === 0 ? beginOf(field) : insideOf(field)) : 0)
    text += shown
  }
  return { sources: [{ name: 'query', text }], targets: { tags: Int32Array.from(tags) } }
}

const ROWS = [
  row('see [0:Mary] at [1:7:15] for [2:two]'),
  row('see [0:John] at [1:12:30] please'),
  row('it is [0:Mary Ann] and [0:Peter Paul]'),
  row('see [0:José] at [1:8 pm]'),
]

const variantsOf = (swaps: ValueSwaps, of: TaggedRow): Set<string | undefined> => {
  const random = seededRandom(3)
  return new Set(Array.from({ length: 200 }, () => swaps.swapped(of, random)?.[0]?.text))
}

describe('values of other rows', () => {
  const swaps = new ValueSwaps(ROWS)

  it('replace those of the same field and shape, and no others', () => {
    const names = ['Mary', 'John', 'José']
    const times = ['7:15', '12:30']
    expect(variantsOf(swaps, ROWS[0]!)).toEqual(
      new Set(names.flatMap((name) => times.map((time) => `see ${name} at ${time} for two`)))
    )
    expect(variantsOf(swaps, ROWS[3]!)).toEqual(new Set(names.map((name) => `see ${name} at 8 pm`)))
  })

  it('leave as many words, so that the tags stay right', () => {
    for (const each of ROWS) {
      const words = wordsOf(each.sources[0]!.text).length
      for (const text of variantsOf(swaps, each)) expect(wordsOf(text!)).toHaveLength(words)
    }
  })

  it('are none where there is no other value', () => {
    expect(swaps.swapped(row('only [2:two] of us'), seededRandom(1))).toBeNull()
    expect(swaps.swapped(row('nothing at all'), seededRandom(1))).toBeNull()
  })

  it('do not replace a value that the text has twice', () => {
    expect(variantsOf(swaps, row('Mary says that [0:Mary] comes at [1:7:15]'))).toEqual(
      new Set(['Mary says that Mary comes at 7:15', 'Mary says that Mary comes at 12:30'])
    )
  })

  it('keep all sources but the changed one', () => {
    const [query] = row('see [0:Mary]').sources
    const two: TaggedRow = {
      sources: [query!, { name: 'slot', text: 'for 3' }],
      targets: { tags: Int32Array.from([0, beginOf(0), 0, 0]) },
    }
    const texts = variantsOf(swaps, two)
    expect(texts).toEqual(new Set(['see Mary', 'see John', 'see José']))
    expect(swaps.swapped(two, seededRandom(1))![1]).toEqual(two.sources[1])
  })
})
