/**
 * A head on texts: on what they mean, by their embeddings, and on how they are written, by their hashed words
 * and characters. It is two heads whose logits are added, each over a temperature of its own, which also holds
 * its share (docs/experiments.md#label-head).
 */
import { hashedDims, hashedFeatures } from './hashed-features.ts'
import { mixtureOf } from './head/mixture.ts'
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
