/** Finds the rule by which the values of a field were copied from the sources. */
import type { CopiedNode } from '../form.ts'
import { canMake, CHAINS, type Chain } from '../normalize/chains.ts'
import { syntaxMarks, textOfScalar } from '../copied-text.ts'
import { contextOf } from '../spans/context.ts'
import type { Span } from '../spans/row-words.ts'
import type { Entry, RowText, Search } from './search.ts'

/** Share of a field's logged values that a rule must explain by some span. */
const MIN_SHARE = 0.98
/** A rule that explains this much more of the values is preferred to a simpler one. */
const GAIN = 0.005
/** Values that are not copied, such as "unknown": how many there may be, and what share each has. */
const MAX_FIXED = 8
const MIN_FIXED_SHARE = 0.01
/** Least share of the values that is copied, beside fixed ones. */
const MIN_COPIED_SHARE = 0.05
/** Rows after which a rule that explains nearly nothing is given up. */
const FIRST_LOOK = 40

/** Dates and long numbers are not fixed values: a relative date ("tomorrow") would be one for the days of the log. */
const NEVER_FIXED = /\d{4}|\d[-/.:]\d/

const MAX_EXAMPLES = 3
const MAX_EXAMPLE_CHARS = 40

interface TriedText extends RowText {
  /** empty: not explained */
  spans: Span[]
}

interface Tried {
  chain: Chain
  texts: TriedText[]
  explained: number
}

export interface FoundCopied {
  node: CopiedNode
  /** texts of values that are not copied, but recur */
  fixed: Set<string>
  /** syntax marks of the values */
  marks: string
}

/** null: the rule explains nearly none of the first texts */
const tryChain = (chain: Chain, texts: readonly RowText[], search: Search): Tried | null => {
  const makes = texts.filter(({ text }) => canMake(chain, text)).length
  if (makes < MIN_COPIED_SHARE * texts.length) return null
  const tried: TriedText[] = []
  let explained = 0
  for (const [at, { row, text }] of texts.entries()) {
    if (at === FIRST_LOOK && explained < MIN_COPIED_SHARE * at) return null
    const spans = canMake(chain, text) ? search.spansOf(row).find(chain, text) : []
    tried.push({ row, text, spans })
    if (spans.length > 0) explained++
  }
  return { chain, texts: tried, explained }
}

/** Texts that recur and are mostly not copied. */
const fixedTexts = ({ texts }: Tried): Set<string> => {
  const counts = new Map<string, { missing: number; all: number }>()
  for (const { text, spans } of texts) {
    const count = counts.get(text) ?? { missing: 0, all: 0 }
    count.all++
    if (spans.length === 0) count.missing++
    counts.set(text, count)
  }
  const least = Math.max(2, MIN_FIXED_SHARE * texts.length)
  const fixed = [...counts].filter(
    ([text, { missing, all }]) => missing >= least && missing * 2 > all && !NEVER_FIXED.test(text)
  )
  fixed.sort((one, other) => other[1].missing - one[1].missing)
  return new Set(fixed.slice(0, MAX_FIXED).map(([text]) => text))
}

/** The texts that a rule explains. */
const copiedTexts = ({ texts }: Tried): string[] =>
  texts.flatMap(({ text, spans }) => (spans.length > 0 ? [text] : []))

const isAccepted = (tried: Tried, fixed: ReadonlySet<string>): boolean => {
  const { texts, explained } = tried
  const open = texts.filter(({ text, spans }) => spans.length > 0 || !fixed.has(text))
  return (
    explained >= MIN_SHARE * open.length &&
    explained >= Math.max(2, MIN_COPIED_SHARE * texts.length) &&
    new Set(copiedTexts(tried)).size >= 2
  )
}

const examplesOf = (copied: readonly string[]): string[] =>
  [...new Set(copied.filter((text) => text.length <= MAX_EXAMPLE_CHARS))].slice(0, MAX_EXAMPLES)

/** Strings or numbers, whichever are more. */
const typeOf = (entries: readonly Entry[]): CopiedNode['as'] => {
  const strings = entries.filter(({ value }) => value?.kind === 'string').length
  return strings * 2 >= entries.length ? 'string' : 'number'
}

/**
 * The field that explains the entries; null if no rule does.
 * @param entries strings and numbers; several of one row are items of a list
 */
export const findCopied = (entries: readonly Entry[], search: Search): FoundCopied | null => {
  const as = typeOf(entries)
  const all = entries.flatMap(({ row, value }): RowText[] => {
    const text = textOfScalar(value, as)
    return text === null ? [] : [{ row, text }]
  })
  const texts = search.sample(all)
  const tried = CHAINS.flatMap((chain) => tryChain(chain, texts, search) ?? [])
  const best = Math.max(0, ...tried.map(({ explained }) => explained))
  for (const one of tried) {
    const fixed = fixedTexts(one)
    if (one.explained < best - GAIN * texts.length || !isAccepted(one, fixed)) continue
    const copied = copiedTexts(one)
    const places = one.texts.flatMap(({ row, text, spans: [span, second] }) => {
      // a fixed value may stand elsewhere by chance
      return span && !second && !fixed.has(text) ? [{ row: search.spansOf(row).row, span }] : []
    })
    const node: CopiedNode = {
      kind: 'copied',
      field: -1,
      as,
      chain: one.chain,
      otherwise: null,
      context: contextOf(places),
      examples: examplesOf(copied),
    }
    return { node, fixed, marks: syntaxMarks(copied) }
  }
  return null
}
