/** What an answer states that can be compared without a model: numbers, dates, names and the like, in a normal form. */
export type AtomKind =
  'number' | 'date' | 'time' | 'name' | 'identifier' | 'email' | 'url' | 'phone' | 'code' | 'quote'

export interface Atom {
  kind: AtomKind
  /** the normal form: equal for all spellings of one value */
  form: string
  /** normal forms of other readings: 05/03/2026 is also 2026-05-03 */
  others?: readonly string[]
  /** of a number: its value and its unit as written, before the conversion to a base unit */
  amount?: { value: string; unit: string }
}

export interface Facts {
  text: string
  atoms: readonly Atom[]
  /** all words without case and accents, in order, without those inside of other atoms */
  words: readonly string[]
  /** those with a capital, which may be names */
  names: readonly string[]
}

/** Stands in the text in place of an atom that has been read; of the private use area. */
export const GAP = '\ue000'

/** Kind and normal form, as it is counted and stored. */
export const keyOf = ({ kind, form }: Pick<Atom, 'kind' | 'form'>): string => `${kind}:${form}`

/** Reads a match; null leaves it in the text for others. */
export type Read = (groups: readonly (string | undefined)[]) => readonly Atom[] | null

/** Removes from the text what is read. @param pattern global, and linear in the text */
export const take = (text: string, pattern: RegExp, atoms: Atom[], read: Read): string =>
  // behind the groups stand offset and text, which no pattern's reader asks for
  text.replace(pattern, (...groups: string[]) => {
    const found = read(groups)
    if (found === null) return groups[0] ?? ''
    atoms.push(...found)
    return GAP
  })

const MARKS = /\p{M}+/gu
const ASCII = /^[\x20-\x7e]*$/

/** Without case and accents. */
export const fold = (word: string): string => {
  const lower = word.toLowerCase()
  return ASCII.test(lower) ? lower : lower.normalize('NFD').replace(MARKS, '')
}
