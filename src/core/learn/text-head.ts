/**
 * A head on texts: on what they mean, by their embeddings, and on how they are written, by their hashed words
 * and characters. It is two heads whose logits are added, each over a temperature of its own, which also holds
 * its share (docs/experiments.md#label-head).
 */
import type { TextRows } from './head/text-rows.ts'
import {
  crossValidated,
  scaledLogits,
  toProbabilities,
  trainHead,
  type CrossValidation,
  type CrossValidationOptions,
  type Head,
} from './softmax-head.ts'
import { hashText } from '../request/request-scan.ts'
import { sparseRows, type SparseRows } from './algebra/sparse-rows.ts'
import { calibrateTemperature, scaledLoss } from './head/calibrate.ts'

/** Two heads on the same rows as one: how much each of them counts. */
interface Mixture {
  /** of the second head, 0 to 0.9 */
  share: number
  temperature: number
  /** mean negative log probability of the right labels, nats per row */
  loss: number
  /** `[rows, classes]`, `1 − share` of the first head's log probabilities and `share` of the second's, over the temperature */
  logits: Float32Array
}

/** Beside none. */
const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
/** Keeps logarithms finite: the smallest normal number of 32 bits. */
const LEAST = 1.2e-38

const nats = (probability: number): number => Math.log(Math.max(LEAST, probability))

/**
 * The share with the least loss, calibrated (a logarithmic opinion pool: Genest and Zidek 1986, Stat. Sci. 1:114).
 * @param one,other probabilities `[rows, classes]` of heads that were not trained on the rows
 */
export const mixtureOf = (
  one: Float32Array,
  other: Float32Array,
  labels: Int32Array,
  classes: number
): Mixture => {
  const [first, second] = [one.map(nats), other.map(nats)]
  const mixed = (share: number): Mixture => {
    const logits = first.map((value, at) => (1 - share) * value + share * second[at]!)
    const temperature = calibrateTemperature(logits, labels, classes)
    const loss = scaledLoss(logits, labels, classes, temperature).loss / labels.length
    return { share, temperature, loss, logits: logits.map((value) => value / temperature) }
  }
  let best = mixed(0)
  for (const share of SHARES) {
    const next = mixed(share)
    // the loss has one minimum in the share
    if (next.loss >= best.loss) break
    best = next
  }
  return best
}

/** More tell few names apart that these do not: docs/experiments.md#label-head */
const HASHED_DIMS = 4096
/** Weights of a head; training holds some twenty vectors of as many numbers. */
const MAX_WEIGHTS = 2 ** 19

/** Dimensions for so many labels: fewer where a head would have too many weights. */
export const hashedDims = (classes: number): number =>
  Math.min(HASHED_DIMS, 2 ** Math.floor(Math.log2(MAX_WEIGHTS / classes)))

const SEED = 0x8ead
const WORDS = /[\p{L}\p{M}\p{N}]+/gu
/** Scripts that are written without blanks: a run of letters is a sentence, and one sign is a word. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
/** A longer run is data, and its n-grams would outweigh the words. */
const MAX_WORD_CHARS = 64
/** A longer text is cut: it would have thousands of features, and encoders read less. */
const MAX_TEXT_CHARS = 2048

/** Lengths of character n-grams, and the weight of one. */
const GRAMS = { spaced: [3, 4], unspaced: [1, 2, 3] }
const WORD_WEIGHT = 1
const PAIR_WEIGHT = 0.7
const GRAM_WEIGHT = 0.4

/** n-grams of a word with its edges marked, so that a prefix differs from the middle of a word. */
const gramsOf = (word: string): string[] => {
  const isUnspaced = UNSPACED.test(word)
  // by code point: half of a surrogate pair is no sign
  const signs = [...(isUnspaced ? word : `<${word}>`)]
  return (isUnspaced ? GRAMS.unspaced : GRAMS.spaced).flatMap((length) =>
    Array.from({ length: Math.max(0, signs.length - length + 1) }, (_, start) =>
      signs.slice(start, start + length).join('')
    )
  )
}

/** How often each name occurs. @param kind told apart from the same text of another kind */
const tally = (kind: string, names: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(kind + name, (counts.get(kind + name) ?? 0) + 1)
  return counts
}

const wordsOf = (text: string): string[] => {
  const normal = text.slice(0, MAX_TEXT_CHARS).normalize('NFKC').toLowerCase()
  return (normal.match(WORDS) ?? []).map((word) => word.slice(0, MAX_WORD_CHARS))
}

const countsOf = (text: string): [weight: number, counts: Map<string, number>][] => {
  const words = wordsOf(text)
  const pairs = words.slice(1).map((word, i) => `${words[i]} ${word}`)
  return [
    [WORD_WEIGHT, tally('w', words)],
    [PAIR_WEIGHT, tally('p', pairs)],
    [GRAM_WEIGHT, tally('g', words.flatMap(gramsOf))],
  ]
}

const entriesOf = (text: string, dims: number): Map<number, number> => {
  const entries = new Map<number, number>()
  for (const [weight, counts] of countsOf(text)) {
    for (const [name, count] of counts) {
      const { hi, lo } = hashText(name, SEED)
      const value = weight * (1 + Math.log(count))
      const place = (hi >>> 0) % dims
      entries.set(place, (entries.get(place) ?? 0) + ((lo & 1) === 0 ? value : -value))
    }
  }
  const norm = Math.sqrt([...entries.values()].reduce((sum, value) => sum + value * value, 0))
  if (norm > 0) for (const [place, value] of entries) entries.set(place, value / norm)
  return entries
}

/**
 * Signed feature hashing (Weinberger et al. 2009, arXiv 0902.2206): colliding features cancel on average.
 * Counts enter by 1 + ln(count), and each row has length 1; a text without letters and digits has zeros.
 */
export const hashedFeatures = (texts: readonly string[], dims: number): SparseRows =>
  sparseRows(texts.map((text) => entriesOf(text, dims)))

/** At least one of the two heads is there. */
export interface TextHead {
  /** on embeddings; null without an encoder */
  embedded: Head | null
  /** on hashed words; null where they make nothing better */
  hashed: Head | null
}

/** Of one of the two heads. */
export interface PartSettings {
  /** strength of the penalty */
  l2: number
  temperature: number
}

export interface TextSettings {
  embedded: PartSettings | null
  hashed: PartSettings | null
}

/** As of one head, with the settings of both. */
export type TextValidation = Pick<CrossValidation, 'probabilities' | 'fold' | 'loss'> & TextSettings

/**
 * One strength and a loose tolerance: with several to choose from the head is no better, and takes five times
 * as long.
 */
const HASHED_STRENGTHS = [0.01] as const
const HASHED_TOLERANCE = 1e-2

const embeddedRows = ({ vectors, ...rows }: TextRows & { vectors: Float32Array }) => ({
  ...rows,
  features: vectors,
  dims: vectors.length / rows.texts.length,
})

const hashedRows = (rows: TextRows) => {
  const dims = hashedDims(rows.classes)
  return { ...rows, features: hashedFeatures(rows.texts, dims), dims }
}

export type TextValidationOptions = Pick<CrossValidationOptions, 'groups' | 'folds' | 'seed'>

/** @throws AppError `invalid-request` as `crossValidated` */
export const validateTextHead = (
  rows: TextRows,
  options: TextValidationOptions
): TextValidation => {
  const hashed = crossValidated({ ...hashedRows(rows), ...options, strengths: HASHED_STRENGTHS })
  const { vectors, labels, classes } = rows
  if (vectors === null) {
    const { probabilities, fold, loss, ...settings } = hashed
    return { probabilities, fold, loss, embedded: null, hashed: settings }
  }
  const embedded = crossValidated({ ...embeddedRows({ ...rows, vectors }), ...options })
  const { share, temperature, loss, logits } = mixtureOf(
    embedded.probabilities,
    hashed.probabilities,
    labels.subarray(0, options.groups.length),
    classes
  )
  const shared = (part: PartSettings, own: number): PartSettings => ({
    l2: part.l2,
    temperature: (part.temperature * temperature) / own,
  })
  return {
    probabilities: toProbabilities(logits, classes),
    fold: embedded.fold,
    loss,
    embedded: shared(embedded, 1 - share),
    hashed: share === 0 ? null : shared(hashed, share),
  }
}

/** @throws AppError `invalid-request` as `trainHead` */
export const trainTextHead = (rows: TextRows, { embedded, hashed }: TextSettings): TextHead => {
  const { vectors } = rows
  return {
    embedded: embedded &&
      vectors && {
        ...trainHead({ ...embeddedRows({ ...rows, vectors }), l2: embedded.l2 }),
        temperature: embedded.temperature,
      },
    hashed: hashed && {
      ...trainHead({ ...hashedRows(rows), l2: hashed.l2, tolerance: HASHED_TOLERANCE }),
      temperature: hashed.temperature,
    },
  }
}

/**
 * Calibrated probabilities, `[texts, classes]`.
 * @param vectors of the texts, `[texts, dims]`; null for a head without an encoder
 */
export const textProbabilities = (
  { embedded, hashed }: TextHead,
  texts: readonly string[],
  vectors: Float32Array | null
): Float32Array => {
  const parts = [
    embedded && vectors && { head: embedded, logits: scaledLogits(embedded, vectors) },
    hashed && { head: hashed, logits: scaledLogits(hashed, hashedFeatures(texts, hashed.dims)) },
  ].filter((part) => part !== null)
  const { logits, head } = parts.reduce((one, other) => ({
    head: one.head,
    logits: one.logits.map((value, at) => value + other.logits[at]!),
  }))
  return toProbabilities(logits, head.classes)
}
