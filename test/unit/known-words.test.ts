/** Requests of another kind, by their words. */
import { describe, expect, it } from 'vitest'
import { isUnlike, learnWords, type TaggedText } from '../../src/core/learn/head/known-words.ts'
import { wordsOf } from '../../src/core/form/words.ts'

const NAMES = ['Ann', 'Bob', 'Cid', 'Dan', 'Eve', 'Fay', 'Gus', 'Hal']

/** A text in which names are values. */
const tagged = (text: string): TaggedText => ({
  sources: [{ name: 'query', text }],
  tags: Int32Array.from(wordsOf(text), (word) => (NAMES.includes(word.text) ? 1 : 0)),
})

const rowsOf = (count: number, first = 0): TaggedText[] =>
  Array.from({ length: count }, (_, at) => {
    const name = NAMES[(first + at) % NAMES.length]!
    return tagged(at % 2 ? `please send ${name} a parcel` : `${name} wants a parcel by 7:${at}`)
  })

describe('known words', () => {
  const known = learnWords([{ learned: rowsOf(60), judged: rowsOf(20, 3) }])!

  it('are all that requests of their kind have beside values, numbers and marks', () => {
    expect(known.most).toBe(0)
    for (const text of ['Please SEND Ann a parcel!', 'Gus wants a parcel by 9:59', ''])
      expect(isUnlike(known, tagged(text))).toBe(false)
  })

  it('are missing in a request of another kind', () => {
    expect(isUnlike(known, tagged('please cancel the parcel of Ann'))).toBe(true)
    expect(isUnlike(known, tagged('包裹 丢了'))).toBe(true)
  })

  it('allow as many new words as requests of their kind have', () => {
    const judged = [...rowsOf(20), tagged('please send Ann a heavy green parcel')]
    const { most } = learnWords([{ learned: rowsOf(60), judged }])!
    expect(most).toBe(2)
    const lenient = { ...known, most }
    expect(isUnlike(lenient, tagged('please send Ann a lovely old parcel'))).toBe(false)
    expect(isUnlike(lenient, tagged('please cancel the parcel of Ann'))).toBe(true)
  })

  it('are not those of a single row, and tell no word', () => {
    const once = tagged('my secret reason is Rumpelstiltskin')
    const { hashes } = learnWords([{ learned: [...rowsOf(60), once], judged: rowsOf(20) }])!
    expect(hashes).toEqual(known.hashes)
    const twice = learnWords([{ learned: [...rowsOf(60), once, once], judged: rowsOf(20) }])!.hashes
    expect(twice.length).toBe(known.hashes.length + 5)
    expect(hashes.every((hash) => Number.isInteger(hash) && hash >= 0)).toBe(true)
  })

  it('cannot be told without judged rows', () => {
    expect(learnWords([])).toBeNull()
    expect(learnWords([{ learned: rowsOf(60), judged: [] }])).toBeNull()
  })
})
