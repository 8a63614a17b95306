/**
 * Makes further rows of tagged ones: a copied value gives way to another row's value of the same field and shape, so
 * that the tags stay as they are. Knows nothing of models.
 */
import { itemAt, zip } from '../lists.ts'
import { taggedSpans } from './render-answer.ts'
import { RowWords } from './spans/row-words.ts'
import type { Targets } from './targets.ts'
import type { Source } from './words.ts'

export interface TaggedRow {
  sources: readonly Source[]
  targets: Pick<Targets, 'tags'>
}

interface TaggedValue {
  field: number
  text: string
  /** UTF-16 offset in its source */
  start: number
}

/** Runs of digits, of letters by the case of the first, and all else: texts of one shape have equally many words. */
const shapeOf = (text: string): string =>
  text
    .replace(/\p{Nd}+/gu, '9')
    .replace(/\p{L}[\p{L}\p{M}]*/gu, (word) => (/^\p{Lu}/u.test(word) ? 'A' : 'a'))

/** The sources of a row with their tagged values, in the order of the texts. */
const taggedSources = ({
  sources,
  targets: { tags },
}: TaggedRow): { source: Source; values: TaggedValue[] }[] => {
  const row = new RowWords(sources)
  const spans = taggedSpans(row, tags)
  return zip(sources, row.sources).map(([source, { text, first, end }]) => ({
    source,
    values: spans
      .filter(({ from }) => from >= first && from < end)
      .map(({ field, from, to }) => {
        const start = row.startOf(from)
        return { field, text: text.slice(start, row.endOf(to - 1)), start }
      }),
  }))
}

const kindOf = ({ field, text }: TaggedValue): string => `${field} ${shapeOf(text)}`

export class ValueSwaps {
  /** different values by field and shape */
  private readonly values = new Map<string, string[]>()

  constructor(rows: readonly TaggedRow[]) {
    const seen = new Map<string, Set<string>>()
    for (const row of rows)
      for (const value of taggedSources(row).flatMap(({ values }) => values)) {
        const kind = kindOf(value)
        const known = seen.get(kind)
        if (known) known.add(value.text)
        else seen.set(kind, new Set([value.text]))
      }
    for (const [kind, texts] of seen) this.values.set(kind, [...texts])
  }

  /**
   * @param random numbers from 0 to below 1
   * @returns the row's sources with other values; null where it has none that could be another. A value that stands
   * in the text twice stays: the other place would have to follow.
   */
  swapped(row: TaggedRow, random: () => number): Source[] | null {
    let isChanged = false
    const swap = (before: string, value: TaggedValue): string => {
      const { text, start } = value
      const others = this.values.get(kindOf(value)) ?? []
      const isTwice = row.sources.some((source) => source.text.split(text).length > 2)
      if (others.length < 2 || isTwice) return before
      isChanged = true
      const other = itemAt(others, Math.floor(random() * others.length))
      return before.slice(0, start) + other + before.slice(start + text.length)
    }
    // from the last, so that the places of the others stay
    const sources = taggedSources(row)
      .toReversed()
      .map(({ source, values }) => ({ ...source, text: values.reduceRight(swap, source.text) }))
    return isChanged ? sources.toReversed() : null
  }
}
