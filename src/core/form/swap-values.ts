/**
 * Makes further rows of tagged ones: a copied value gives way to another row's value of the same field and shape, so
 * that the tags stay as they are. Knows nothing of models.
 */
import type { Targets } from './targets.ts'
import { wordsOf, type Source } from './words.ts'

export interface TaggedRow {
  sources: readonly Source[]
  targets: Pick<Targets, 'tags'>
}

interface TaggedValue {
  field: number
  /** number of the source */
  source: number
  sourceText: string
  /** UTF-16 offsets */
  start: number
  end: number
}

/** Runs of digits, of letters by the case of the first, and all else: texts of one shape have equally many words. */
const shapeOf = (text: string): string =>
  text
    .replace(/\p{Nd}+/gu, '9')
    .replace(/\p{L}[\p{L}\p{M}]*/gu, (word) => (/^\p{Lu}/u.test(word) ? 'A' : 'a'))

/** The tagged values of a row, in the order of its texts. */
const valuesOf = ({ sources, targets: { tags } }: TaggedRow): TaggedValue[] => {
  const values: TaggedValue[] = []
  let first = 0
  for (const [source, { text: sourceText }] of sources.entries()) {
    const words = wordsOf(sourceText)
    for (const [at, { start, end }] of words.entries()) {
      const tag = tags[first + at]!
      // odd tags begin a value (`beginOf`), even ones continue it
      if (tag % 2 === 1) values.push({ field: (tag - 1) / 2, source, sourceText, start, end })
      else if (tag > 0) values.at(-1)!.end = end
    }
    first += words.length
  }
  return values
}

const textOf = ({ sourceText, start, end }: TaggedValue): string => sourceText.slice(start, end)

const kindOf = ({ field }: TaggedValue, text: string): string => `${field} ${shapeOf(text)}`

export class ValueSwaps {
  /** different values by field and shape */
  private readonly values = new Map<string, string[]>()

  constructor(rows: readonly TaggedRow[]) {
    const seen = new Map<string, Set<string>>()
    for (const row of rows)
      for (const value of valuesOf(row)) {
        const text = textOf(value)
        const kind = kindOf(value, text)
        const known = seen.get(kind)
        if (known) known.add(text)
        else seen.set(kind, new Set([text]))
      }
    for (const [kind, texts] of seen) this.values.set(kind, [...texts])
  }

  /**
   * @param random numbers from 0 to below 1
   * @returns the row's sources with other values; null where it has none that could be another. A value that stands
   * in the text twice stays: the other place would have to follow.
   */
  swapped(row: TaggedRow, random: () => number): Source[] | null {
    const sources = row.sources.map((source) => ({ ...source }))
    let isChanged = false
    // from the last, so that the places of the others stay
    for (const value of valuesOf(row).toReversed()) {
      const text = textOf(value)
      const others = this.values.get(kindOf(value, text)) ?? []
      const isTwice = row.sources.some((source) => source.text.split(text).length > 2)
      if (others.length < 2 || isTwice) continue
      const other = others[Math.floor(random() * others.length)]!
      const source = sources[value.source]!
      source.text = source.text.slice(0, value.start) + other + source.text.slice(value.end)
      isChanged = true
    }
    return isChanged ? sources : null
  }
}
