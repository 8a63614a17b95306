/**
 * The kinds of answers that a field head has learned, and where their requests lie: which fields an answer has, and
 * the class of each choice. Requests near to one another mostly have answers of one kind.
 */
import { kindOf, type Targets } from '../../form/targets.ts'
import { itemAt } from '../../lists.ts'
import { directionsOf, storedDirections } from './directions.ts'
import { TAKEN_FOR_OTHERS } from './known-words.ts'
import { neighbourhoodIn, type Neighbourhood, type Neighbours } from './neighbourhood.ts'

export interface KnownKinds extends Neighbours {
  /** of each class */
  names: string[]
}

/** The kinds in a head's file, which has the codes of the directions, too. */
export interface StoredKinds {
  names: string[]
  /** class of each row of the codes */
  classes: number[]
}

/** One learned row. */
export interface LearnedRow {
  targets: Targets
  /** of the request, `[dims]` */
  embedding: Float32Array
}

/** 4 MB and 4 ms a request with 384 dimensions. */
const MAX_ROWS = 10_000

/** @param rows at least one; of very many the last count */
export const knownKinds = (rows: readonly LearnedRow[]): KnownKinds => {
  const kept = rows.slice(-MAX_ROWS)
  const places = new Map<string, number>()
  const classes = Int32Array.from(kept, ({ targets }) => {
    const name = kindOf(targets)
    const place = places.get(name) ?? places.size
    places.set(name, place)
    return place
  })
  const dims = itemAt(kept, 0).embedding.length
  const vectors = new Float32Array(kept.length * dims)
  for (const [at, { embedding }] of kept.entries()) vectors.set(embedding, at * dims)
  return { names: [...places.keys()], classes, directions: directionsOf(vectors, dims) }
}

export const storedKinds = ({ names, classes }: KnownKinds): StoredKinds => ({
  names,
  classes: [...classes],
})

/** @param codes `[rows, dims]` */
export const kindsOf = (
  { names, classes }: StoredKinds,
  codes: Int8Array,
  dims: number
): KnownKinds => ({
  names,
  classes: Int32Array.from(classes),
  directions: storedDirections(codes, dims),
})

/** The learned rows around a request whose answer has these targets. No row has an answer of an unknown kind. */
export const neighbourhoodOfKind = (
  kinds: KnownKinds,
  { targets, embedding }: LearnedRow
): Neighbourhood => neighbourhoodIn(kinds, embedding, kinds.names.indexOf(kindOf(targets)))

/** The head is the mean of several taggers, and places requests a little differently than each of them. */
const SLACK = 2
/** In cosine: eight bits place a row up to a thousandth away from itself. */
const LEAST_DISTANCE = 0.01

/**
 * Cosine to the nearest learned row that a request of a known kind has at least. Where answers have choices, such as
 * which of some replies is sent, requests that need another one lie far from all rows.
 * @param judged neighbourhoods of rows that were not learned
 * @returns null without a row
 */
export const leastCosine = (judged: readonly Neighbourhood[]): number | null => {
  const ascending = judged.map(({ nearest }) => nearest).toSorted((one, other) => one - other)
  const farthest = ascending[Math.floor(ascending.length * TAKEN_FOR_OTHERS)]
  return farthest === undefined ? null : 1 - Math.max(LEAST_DISTANCE, SLACK * (1 - farthest))
}
