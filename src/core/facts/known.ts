/**
 * What a template's answers state without having it from the request, such as the address of its help page. Learned
 * from the log; at serving time an answer with any other atom goes to the upstream.
 */
import { countsOf } from '../counts.ts'
import type { KnownFacts, Language } from '../answer/answer-rules.ts'
import { keyOf, type Atom, type AtomKind, type Facts } from './atom.ts'
import { negationAtoms } from './compare.ts'
import { factsOf, readOf, type ReadText } from './facts.ts'
import { languageOf } from './languages.ts'
import { numberAtom } from './numbers.ts'
import { Support } from './support.ts'

export interface KnownOptions {
  /** different requests whose answers state an atom */
  minRequests?: number
  /** UTF-16 units of all atoms; the most frequent stay */
  maxChars?: number
}

interface Exchange {
  answer: string
  /** the query and the slots: what differs between requests */
  request: string
  /** what an atom may rest on; absent: the request */
  support?: string
}

/** Different atoms that are counted; further ones are not learned. */
const MAX_COUNTED = 100_000
/** UTF-16 units of an atom that is learned. */
const MAX_FORM_CHARS = 200

/** A number with its unit before the conversion, from which the other forms follow. */
const storedKey = ({ kind, form, amount }: Atom): string =>
  keyOf({ kind, form: amount === undefined ? form : `${amount.value} ${amount.unit}`.trimEnd() })

const isListed = (atom: Atom): boolean => atom.form.length <= MAX_FORM_CHARS

/** Atoms that the request does not state. */
const ownAtoms = (answer: Facts, request: Facts): Atom[] => {
  return new Support(request).missing(answer.atoms.filter(isListed))
}

const countAtoms = (
  exchanges: readonly Exchange[],
  language: Language | null
): Map<string, number> => {
  const counts = new Map<string, number>()
  const seen = new Set<string>()
  for (const { answer, request, support = request } of exchanges) {
    if (seen.has(request)) continue
    seen.add(request)
    const facts = factsOf(answer, language)
    const atoms = [...ownAtoms(facts, factsOf(support, language)), ...negationAtoms(facts)]
    for (const key of new Set(atoms.map(storedKey)))
      if (counts.has(key) || counts.size < MAX_COUNTED) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

const mostFrequent = <Item>(items: readonly Item[]): Item | undefined =>
  [...countsOf(items)].toSorted((a, b) => b[1] - a[1])[0]?.[0]

/** Atoms that answers to at least `minRequests` different requests state and their requests do not. */
export const knownFacts = (
  exchanges: readonly Exchange[],
  { minRequests = 3, maxChars = 65_536 }: KnownOptions = {}
): KnownFacts => {
  const languages = exchanges.flatMap(({ answer }) => languageOf(answer) ?? [])
  const language = mostFrequent(languages) ?? null
  const counted = [...countAtoms(exchanges, language)]
    .filter(([, count]) => count >= minRequests)
    .toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
  const atoms: string[] = []
  let chars = 0
  for (const [key] of counted) {
    chars += key.length
    if (chars > maxChars) break
    atoms.push(key)
  }
  return { language, atoms: atoms.sort() }
}

/** Known facts as they are looked up. */
export interface KnownIndex {
  language: Language | null
  support: Support
  negations: ReadonlySet<string>
}

/**
 * @param known as stored
 * @param prompt constant text of the template, so that a request need not be read with it each time
 */
export const indexKnown = ({ language, atoms }: KnownFacts, prompt = ''): KnownIndex => {
  const read = atoms.map((key): Atom => {
    const at = key.indexOf(':')
    const [kind, form] = [key.slice(0, at) as AtomKind, key.slice(at + 1)]
    const [value = '', unit = ''] = form.split(' ')
    return kind === 'number' ? numberAtom([value], unit) : { kind, form }
  })
  const stated = factsOf(prompt, language)
  const [negated, others] = [
    read.filter(({ kind }) => kind === 'negation'),
    read.filter(({ kind }) => kind !== 'negation'),
  ]
  return {
    language,
    support: new Support({ atoms: others, words: [], text: '' }, stated),
    negations: new Set([...negated, ...negationAtoms(stated)].map(({ form }) => form)),
  }
}

interface Served {
  answer: string
  /** what the prompt does not have: the query and the slots. Its length counts as the answer's */
  request: string | ReadText
  known: KnownIndex
}

/** Atoms of an answer that neither the request nor the known facts state. An answer with one is a fallback. */
export const inventedFacts = ({ answer, request, known }: Served): Atom[] => {
  const ours = factsOf(answer, known.language)
  const asked = readOf(request).facts(ours.language)
  const negated = new Set(negationAtoms(asked).map(({ form }) => form))
  return [
    ...new Support(asked).missing(known.support.missing(ours.atoms)),
    ...negationAtoms(ours).filter(({ form }) => !known.negations.has(form) && !negated.has(form)),
  ]
}
