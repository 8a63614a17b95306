/**
 * What a template's answers state without having it from the request, such as the address of its help page. Learned
 * from the log; at serving time an answer with any other atom goes to the upstream.
 */
import type { KnownFacts } from '../answer/answer-rules.ts'
import { keyOf, type Atom, type AtomKind, type Facts } from './atom.ts'
import { factsOf, inventions, Support } from './facts.ts'
import { numberAtom } from './numbers.ts'

interface KnownOptions {
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

const countAtoms = (exchanges: readonly Exchange[]): Map<string, number> => {
  const counts = new Map<string, number>()
  const seen = new Set<string>()
  for (const { answer, request, support = request } of exchanges) {
    if (seen.has(request)) continue
    seen.add(request)
    const listed = factsOf(answer).atoms.filter(({ form }) => form.length <= MAX_FORM_CHARS)
    const own = inventions(listed, [new Support(factsOf(support))])
    for (const key of new Set(own.map(storedKey)))
      if (counts.has(key) || counts.size < MAX_COUNTED) counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  return counts
}

/** Atoms that answers to at least `minRequests` different requests state and their requests do not. */
export const knownFacts = (
  exchanges: readonly Exchange[],
  { minRequests = 3, maxChars = 65_536 }: KnownOptions = {}
): KnownFacts => {
  const counted = [...countAtoms(exchanges)]
    .filter(([, count]) => count >= minRequests)
    .toSorted(([a, one], [b, other]) => other - one || (a < b ? -1 : 1))
  const atoms: string[] = []
  let chars = 0
  for (const [key] of counted) {
    chars += key.length
    if (chars > maxChars) break
    atoms.push(key)
  }
  return { atoms: atoms.sort() }
}

/**
 * Known facts as they are looked up.
 * @param known as stored
 * @param prompt constant text of the template, so that a request need not be read with it each time
 */
export const indexKnown = ({ atoms }: KnownFacts, prompt = ''): Support => {
  const read = atoms.map((key): Atom => {
    const at = key.indexOf(':')
    const [kind, form] = [key.slice(0, at) as AtomKind, key.slice(at + 1)]
    const [value = '', unit = ''] = form.split(' ')
    return kind === 'number' ? numberAtom([value], unit) : { kind, form }
  })
  return new Support({ atoms: read, words: [], names: [], text: '' }, factsOf(prompt))
}

/**
 * Atoms of an answer that neither the request nor the known facts state. An answer with one is a fallback.
 * @param request what the prompt does not have: the query and the slots. Its length counts as the answer's
 */
export const inventedFacts = (
  answer: string,
  { request, known }: { request: Facts; known: Support }
): Atom[] => inventions(factsOf(answer).atoms, [known, new Support(request)])
