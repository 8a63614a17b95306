/**
 * A second opinion on a label: what the logged queries most like a new one were answered. A lora's own
 * probabilities say little about queries unlike any it has learned from, and these do; what it is
 * worth: docs/experiments.md. Knows nothing of loras or thresholds.
 *
 * The index holds hashes of words and letters, no text. It is made once, when a lora is judged, in the
 * form in which it is searched, so that a process that answers only has to read its bytes.
 */
import { AppError } from '../errors.ts'
import { wordsOf } from './words.ts'

export interface LoggedQuery {
  query: string
  answer: string
}

/** Queries by what is in them: `postings` of feature i are the queries that have it. */
interface NeighbourIndex {
  /** the answers, by number */
  answers: string[]
  /** number of each query's answer */
  answerOf: Uint16Array
  /** lengths of the queries' vectors */
  norms: Float32Array
  /** hashes, rising */
  features: Uint32Array
  /** where each feature's postings begin; one more than there are features */
  starts: Uint32Array
  postings: Uint16Array
}

/**
 * Natural logarithm of the share that an answer has among what queries like this one were answered,
 * at most 0.
 */
export type SecondOpinion = (query: string, answer: string) => number

/** Where a store keeps an internalization's index. */
export const neighboursName = (internalizationId: string): string =>
  `neighbours/${internalizationId}`

/** The newest are kept: as many queries, and features of all together; 8 MB at most. */
const MAX_QUERIES = 4000
const MAX_FEATURES = 1_000_000
/** more than there are queries, so that a feature and a query fit into one number */
const OWNERS = 2 ** 16
const GRAM_LENGTHS = [3, 4, 5]
/** longer queries are told by their beginning */
const MAX_CHARS = 500
/** a query counts e times less for every so much that it is less like the new one, as a cosine */
const WIDTH = 0.06
/** share of an answer that no query like this one was given */
const LEAST_SHARE = 1e-3

/** FNV-1a of UTF-16 units, 32 bits. */
const hashOf = (text: string, kind: number): number => {
  let hash = 0x811c9dc5 ^ kind
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/** Hashes of words, of pairs of words, and of 3 to 5 characters in a row. */
const featuresOf = (query: string): Set<number> => {
  const words = wordsOf(query.slice(0, MAX_CHARS))
  const features = new Set<number>()
  for (const [index, word] of words.entries()) {
    features.add(hashOf(word, 1))
    const next = words[index + 1]
    if (next !== undefined) features.add(hashOf(`${word} ${next}`, 2))
  }
  const text = ` ${words.join(' ')} `
  for (const length of GRAM_LENGTHS)
    for (let i = 0; i + length <= text.length; i++)
      features.add(hashOf(text.slice(i, i + length), 3))
  return features
}

/** Inverse document frequency: the rarer a feature, the more it says. */
const weightOf = ({ answerOf, starts }: NeighbourIndex, feature: number): number =>
  Math.log(answerOf.length / (starts[feature + 1]! - starts[feature]!))

/** The newest queries with their features, as many as there is room for. */
const newestOf = (logged: readonly LoggedQuery[]): { answer: string; features: Set<number> }[] => {
  const kept: { answer: string; features: Set<number> }[] = []
  let room = MAX_FEATURES
  for (let i = logged.length - 1; i >= 0 && kept.length < MAX_QUERIES; i--) {
    const { query, answer } = logged[i]!
    const features = featuresOf(query)
    room -= features.size
    if (room < 0) break
    kept.push({ answer, features })
  }
  return kept.reverse()
}

/** Every pair of a feature and a query as one number, by feature and then by query. */
const sortedPairs = (queries: readonly { features: Set<number> }[]): Float64Array => {
  const pairs = new Float64Array(queries.reduce((sum, { features }) => sum + features.size, 0))
  let at = 0
  for (const [owner, { features }] of queries.entries())
    for (const feature of features) pairs[at++] = feature * OWNERS + owner
  return pairs.sort()
}

const buildIndex = (logged: readonly LoggedQuery[]): NeighbourIndex => {
  const queries = newestOf(logged)
  const answers = [...new Set(queries.map(({ answer }) => answer))]
  const numbers = new Map(answers.map((answer, number) => [answer, number]))
  const pairs = sortedPairs(queries)
  const features: number[] = []
  const starts = [0]
  const postings: number[] = []
  for (let from = 0; from < pairs.length;) {
    const feature = Math.floor(pairs[from]! / OWNERS)
    let to = from + 1
    while (to < pairs.length && Math.floor(pairs[to]! / OWNERS) === feature) to++
    // what one query alone has finds no other
    if (to - from > 1) {
      features.push(feature)
      for (let i = from; i < to; i++) postings.push(pairs[i]! % OWNERS)
      starts.push(postings.length)
    }
    from = to
  }
  const index: NeighbourIndex = {
    answers,
    answerOf: Uint16Array.from(queries, ({ answer }) => numbers.get(answer)!),
    norms: new Float32Array(queries.length),
    features: Uint32Array.from(features),
    starts: Uint32Array.from(starts),
    postings: Uint16Array.from(postings),
  }
  for (let feature = 0; feature < features.length; feature++) {
    const square = weightOf(index, feature) ** 2
    for (let i = starts[feature]!; i < starts[feature + 1]!; i++)
      index.norms[postings[i]!]! += square
  }
  index.norms.forEach((square, owner) => (index.norms[owner] = Math.sqrt(square)))
  return index
}

const ARRAYS = {
  answerOf: Uint16Array,
  norms: Float32Array,
  features: Uint32Array,
  starts: Uint32Array,
  postings: Uint16Array,
} as const

const ARRAY_NAMES = Object.keys(ARRAYS) as (keyof typeof ARRAYS)[]

interface Header {
  answers: string[]
  /** of each array, in the order of `ARRAYS` */
  lengths: number[]
}

/** The index of logged queries as bytes: length of the header, header as JSON, arrays. */
export const encodeNeighbours = (logged: readonly LoggedQuery[]): Uint8Array => {
  const index = buildIndex(logged)
  const arrays = ARRAY_NAMES.map((name) => index[name])
  const header: Header = { answers: index.answers, lengths: arrays.map(({ length }) => length) }
  const headerBytes = Buffer.from(JSON.stringify(header))
  const size = Buffer.alloc(4)
  size.writeUInt32LE(headerBytes.length)
  return Buffer.concat([
    size,
    headerBytes,
    ...arrays.map(({ buffer, byteOffset, byteLength }) =>
      Buffer.from(buffer, byteOffset, byteLength)
    ),
  ])
}

const damaged = (cause?: unknown): AppError =>
  new AppError('internal', 'the index of logged queries is damaged', { cause })

const readHeader = (bytes: Uint8Array): { header: Header; end: number } => {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  try {
    const end = 4 + buffer.readUInt32LE(0)
    return { header: JSON.parse(buffer.toString('utf8', 4, end)) as Header, end }
  } catch (cause) {
    throw damaged(cause)
  }
}

const decode = (bytes: Uint8Array): NeighbourIndex => {
  const { header, end } = readHeader(bytes)
  let at = end
  const arrays = ARRAY_NAMES.map((name, i) => {
    const Type = ARRAYS[name]
    const size = header.lengths[i]! * Type.BYTES_PER_ELEMENT
    if (at + size > bytes.length) throw damaged()
    // a copy, because the header leaves the arrays unaligned
    const array = new Type(Uint8Array.from(bytes.subarray(at, at + size)).buffer)
    at += size
    return [name, array]
  })
  if (at !== bytes.length) throw damaged()
  return { answers: header.answers, ...Object.fromEntries(arrays) } as NeighbourIndex
}

/** Place of a hash among the features; −1 when no logged query has it. */
const placeOf = (features: Uint32Array, hash: number): number => {
  let low = 0
  let high = features.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (features[middle]! < hash) low = middle + 1
    else high = middle
  }
  return features[low] === hash ? low : -1
}

/** Cosine of the angle between the query and every logged one, as TF-IDF vectors without counts. */
const cosinesOf = (index: NeighbourIndex, query: string): Float32Array => {
  const { features, starts, postings, norms } = index
  const products = new Float32Array(norms.length)
  let square = 0
  for (const hash of featuresOf(query)) {
    const feature = placeOf(features, hash)
    if (feature < 0) continue
    const weight = weightOf(index, feature) ** 2
    square += weight
    for (let i = starts[feature]!; i < starts[feature + 1]!; i++) products[postings[i]!]! += weight
  }
  const norm = Math.sqrt(square)
  return products.map((product, owner) => (product === 0 ? 0 : product / (norm * norms[owner]!)))
}

/**
 * @param bytes what `encodeNeighbours` gave
 * @throws AppError `internal` when they are damaged
 */
export const secondOpinion = (bytes: Uint8Array): SecondOpinion => {
  const index = decode(bytes)
  const numbers = new Map(index.answers.map((answer, number) => [answer, number]))
  return (query, answer) => {
    const cosines = cosinesOf(index, query)
    const nearest = cosines.reduce((most, cosine) => Math.max(most, cosine), 0)
    const number = numbers.get(answer)
    let all = 0
    let same = 0
    cosines.forEach((cosine, owner) => {
      const weight = Math.exp((cosine - nearest) / WIDTH)
      all += weight
      if (index.answerOf[owner] === number) same += weight
    })
    return Math.log(Math.min(1, (all === 0 ? 0 : same / all) + LEAST_SHARE))
  }
}
