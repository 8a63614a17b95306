/**
 * Retrieves few-shot examples for a training row from the logged exchanges: BM25, then variety.
 * Knows nothing of stages.
 */
import MiniSearch from 'minisearch'
import { wordsOf } from '../detect/building/slots.ts'
import { itemAt } from '../lists.ts'

export interface PoolExample {
  id: string
  query: string
  answer: string
}

export interface RetrieveOptions {
  /** examples wanted */
  k: number
  /** the row itself, which must not be its own example */
  excludeId: string
}

export interface ExampleIndex {
  /** At most `k` examples, the most similar last, as a prompt has them. */
  retrieve(query: string, options: RetrieveOptions): PoolExample[]
}

/** Above this overlap of words the model would learn to copy the answer of the example. */
const MAX_OVERLAP = 0.9
/** Weight of similarity against variety (Carbonell and Goldstein 1998, MMR). */
const LAMBDA = 0.7
/** Candidates of BM25 for each example that is wanted. */
const CANDIDATES_PER_EXAMPLE = 8
const MIN_CANDIDATES = 32

const wordSet = (text: string): Set<string> => new Set(wordsOf(text))

/** Shared words over all words, 0 to 1; two texts without words are equal. */
const jaccard = (a: Set<string>, b: Set<string>): number => {
  let shared = 0
  for (const word of a) if (b.has(word)) shared++
  const all = a.size + b.size - shared
  return all === 0 ? 1 : shared / all
}

interface Candidate {
  example: PoolExample
  words: Set<string>
  /** BM25 over the best candidate's BM25 */
  relevance: number
}

/** Maximal marginal relevance: the next example is relevant and unlike the chosen ones. */
const diversify = (candidates: Candidate[], k: number): Candidate[] => {
  const chosen: Candidate[] = []
  let open = candidates.map((candidate) => ({ candidate, likeness: 0 }))
  while (chosen.length < k && open.length > 0) {
    const { candidate: next } = open
      .map(({ candidate, likeness }) => ({
        candidate,
        marginal: LAMBDA * candidate.relevance - (1 - LAMBDA) * likeness,
      }))
      .reduce((best, one) => (one.marginal > best.marginal ? one : best))
    chosen.push(next)
    open = open
      .map(({ candidate, likeness }) => ({
        candidate,
        likeness: Math.max(likeness, jaccard(candidate.words, next.words)),
      }))
      .filter(({ candidate, likeness }) => candidate !== next && likeness <= MAX_OVERLAP)
  }
  return chosen
}

/** Indexes the pool once. Ids must be unique; the order of the pool breaks ties. */
export const createExampleIndex = (pool: readonly PoolExample[]): ExampleIndex => {
  const index = new MiniSearch<{ place: number; query: string }>({
    idField: 'place',
    fields: ['query'],
  })
  index.addAll(pool.map(({ query }, place) => ({ place, query })))
  const entries = pool.map((example) => ({ example, words: wordSet(example.query) }))
  const entryAt = (place: number) => itemAt(entries, place)
  const search = (query: string, limit: number, allowed: (place: number) => boolean) =>
    index
      .search(query, {
        bm25: { k: 1.2, b: 0.75, d: 0 },
        filter: (result) => allowed(Number(result['id'])),
      })
      .map(({ id, score }) => ({ place: Number(id), score }))
      .sort((a, b) => b.score - a.score || a.place - b.place)
      .slice(0, limit)
  return {
    retrieve: (query, { k, excludeId }) => {
      if (k <= 0) return []
      const own = wordSet(query)
      const found = search(query, Math.max(MIN_CANDIDATES, k * CANDIDATES_PER_EXAMPLE), (place) => {
        const { example, words } = entryAt(place)
        return example.id !== excludeId && jaccard(words, own) <= MAX_OVERLAP
      })
      const top = found[0]?.score ?? 1
      const candidates = found.map(({ place, score }) => ({
        ...entryAt(place),
        relevance: score / top,
      }))
      return diversify(candidates, k)
        .map(({ example: { id, query: text, answer } }) => ({ id, query: text, answer }))
        .reverse()
    },
  }
}
