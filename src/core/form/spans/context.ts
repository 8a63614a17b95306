/**
 * The words around a field, learned from rows in which only one place has its value. Of several places, the one whose
 * words are the most usual is tagged: naive Bayes over the two words on each side and the name of the source.
 */
import type { FieldContext } from '../form.ts'
import type { RowWords, Span } from './row-words.ts'

/** Most frequent words that are kept for a place. */
const MAX_WORDS = 24
/** Rarer words are not kept: most are values of the message, and say nothing of the place. */
const MIN_COUNT = 3
const MIN_SHARE = 0.01

/** Each place beside the span with its word. */
const wordsAround = (row: RowWords, { from, to }: Span): [place: string, word: string][] => {
  const source = row.sourceOf(from)
  const wordAt = (word: number): string => {
    if (word < source.first || word >= source.end) return ''
    return row.foldedWord(word, source).replace(/^\p{Nd}+$/u, '0')
  }
  return [
    ['-2', wordAt(from - 2)],
    ['-1', wordAt(from - 1)],
    ['1', wordAt(to)],
    ['2', wordAt(to + 1)],
    ['source', source.name],
  ]
}

/** @param places one span a row */
export const contextOf = (places: readonly { row: RowWords; span: Span }[]): FieldContext => {
  const counts = new Map<string, Map<string, number>>()
  for (const { row, span } of places) {
    for (const [place, word] of wordsAround(row, span)) {
      const known = counts.get(place) ?? new Map<string, number>()
      counts.set(place, known.set(word, (known.get(word) ?? 0) + 1))
    }
  }
  const least = Math.max(MIN_COUNT, MIN_SHARE * places.length)
  const words = [...counts].map(([place, known]) => {
    const kept = [...known].filter(([, count]) => count >= least)
    kept.sort((one, other) => other[1] - one[1] || (one[0] < other[0] ? -1 : 1))
    return [place, Object.fromEntries(kept.slice(0, MAX_WORDS))] as const
  })
  return { rows: places.length, words: Object.fromEntries(words) }
}

const countIn = (counts: Record<string, number> | undefined, word: string): number => {
  // a word such as "constructor" is a member of every object
  const count = counts !== undefined && Object.hasOwn(counts, word) ? counts[word] : undefined
  return count ?? 0
}

/** Log-likelihood of the words around a span, up to a constant. */
const scoreOf = (context: FieldContext, row: RowWords, span: Span): number =>
  wordsAround(row, span).reduce(
    (sum, [place, word]) =>
      sum + Math.log((countIn(context.words[place], word) + 0.5) / (context.rows + 1)),
    0
  )

/** Whether the word before or behind a span is one that was often there. */
export const isUsual = (context: FieldContext, row: RowWords, span: Span): boolean =>
  wordsAround(row, span).some(
    ([place, word]) =>
      (place === '-1' || place === '1') && word !== '' && countIn(context.words[place], word) > 0
  )

/** The spans, the most usual first; equally usual ones keep their order. */
export const byContext = (context: FieldContext, row: RowWords, spans: readonly Span[]): Span[] => {
  if (spans.length < 2 || context.rows === 0) return [...spans]
  const scored = spans.map((span) => ({ span, score: scoreOf(context, row, span) }))
  return scored.sort((one, other) => other.score - one.score).map(({ span }) => span)
}
