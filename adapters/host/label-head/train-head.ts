/**
 * Trains a label head: encodes all rows once, chooses the penalty and calibrates by cross-validation,
 * trains on all rows and writes the head.
 */
import { createHash } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { trainAcceptor, type Acceptor } from '../../../src/core/learn/acceptor.ts'
import { cosineBetween, directionsOf } from '../../../src/core/learn/head/directions.ts'
import { nameText, withLabelNames } from '../../../src/core/learn/head/label-names.ts'
import { selectTexts, type TextRows } from '../../../src/core/learn/head/text-rows.ts'
import {
  textProbabilities,
  trainTextHead,
  validateTextHead,
  type TextHead,
  type TextValidation,
} from '../../../src/core/learn/text-head.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import { seededRandom, shuffle } from '../../../src/random.ts'
import type { TrainHooks, TrainInput, TrainResult } from '../backend.ts'
import { storedAcceptor, type HeadManifest } from './head-file.ts'
import { labelsOf, rowLabel, rowText } from './head-rows.ts'
import { writeHead } from './heads.ts'
import type { SentenceEncoder } from './sentence-encoder.ts'

/** What a head of either kind is trained by. */
export type HeadTask = Omit<TrainInput, 'model' | 'method' | 'hyperparameters'>

export interface TrainHeadDeps {
  encoder: SentenceEncoder
  headsDir: string
  /** milliseconds */
  now: () => number
}

/** Texts between two looks at the signal. */
const TEXTS_AT_A_TIME = 128
const MESSAGE_INTERVAL_MS = 1000
/** Training queries that are kept for `distance`: 4 MB and 4 ms with 384 dimensions. */
const MAX_QUERIES = 10_000
/** rows × labels × dimensions in cross-validation, which takes a minute; of more rows a sample is taken. */
const MAX_CROSS_VALIDATION = 200e6
/** Without two different texts there is nothing to validate on. */
const UNVALIDATED = {
  embedded: { l2: 1, temperature: 1 },
  hashed: null,
  loss: null,
  acceptor: null,
}
/** Rows that an acceptor is trained on and finds neighbours among: 16 million cosines. */
const MAX_ACCEPTOR_ROWS = 4_000
/** Probability of a label that the training rows do not have, in the validation loss. */
const UNKNOWN_PROBABILITY = 1e-6

interface EncodedTexts {
  /** by text */
  vectors: Map<string, Float32Array>
  tokens: number
}

const encodeAll = async (
  texts: string[],
  { encoder, now }: TrainHeadDeps,
  hooks: TrainHooks
): Promise<EncodedTexts> => {
  const unique = [...new Set(texts)]
  const vectors = new Map<string, Float32Array>()
  let tokens = 0
  let cut = 0
  let toldAt = now()
  for (let from = 0; from < unique.length; from += TEXTS_AT_A_TIME) {
    hooks.signal.throwIfAborted()
    const part = unique.slice(from, from + TEXTS_AT_A_TIME)
    const encoded = await encoder.encode(part)
    for (const [at, text] of part.entries()) {
      vectors.set(text, encoded.vectors.slice(at * encoder.dims, (at + 1) * encoder.dims))
      tokens += encoded.tokens[at]!
    }
    cut += encoded.cut
    if (now() - toldAt < MESSAGE_INTERVAL_MS && vectors.size < unique.length) continue
    toldAt = now()
    hooks.onMessage('info', `encoded ${vectors.size} of ${unique.length} texts`)
  }
  if (cut > 0)
    hooks.onMessage('warn', `${cut} texts were cut to the encoder's ${encoder.maxTokens} tokens`)
  return { vectors, tokens }
}

/** `[texts, dims]` */
const vectorsOf = (texts: readonly string[], { vectors }: EncodedTexts, dims: number) => {
  const all = new Float32Array(texts.length * dims)
  for (const [at, text] of texts.entries()) all.set(vectors.get(text)!, at * dims)
  return all
}

const textRows = (
  rows: readonly TrainingRow[],
  labels: readonly string[],
  encoded: EncodedTexts,
  dims: number
): TextRows & { vectors: Float32Array } => {
  const place = new Map(labels.map((label, at) => [label, at]))
  const texts = rows.map(rowText)
  return {
    texts,
    vectors: vectorsOf(texts, encoded, dims),
    labels: Int32Array.from(rows, (row) => place.get(rowLabel(row))!),
    classes: labels.length,
    weights: Float32Array.from(rows, ({ weight }) => weight ?? 1),
  }
}

const acceptorFor = (
  { vectors, labels, classes }: TextRows,
  { probabilities: outOfFold, fold }: TextValidation,
  dims: number
): Acceptor => {
  const rows = Math.min(labels.length, MAX_ACCEPTOR_ROWS)
  // in the same eight bits as the neighbours that the head will have
  const directions = directionsOf(vectors!.subarray(0, rows * dims), dims)
  return trainAcceptor({
    probabilities: outOfFold,
    classes,
    labels: labels.subarray(0, rows),
    fold,
    similarity: cosineBetween(directions),
  })
}

/**
 * Rows with equal texts share a fold, so that no row is judged by a head that has seen its text.
 * @param named adds the rows of the labels' names
 */
const validate = (
  all: TextRows,
  named: (rows: TextRows) => TextRows,
  dims: number,
  seed: number
) => {
  const most = Math.max(2, Math.floor(MAX_CROSS_VALIDATION / (all.classes * dims)))
  const places = shuffle([...all.labels.keys()], seededRandom(seed)).slice(0, most)
  const chosen = selectTexts(all, places)
  if (new Set(chosen.texts).size < 2) return UNVALIDATED
  const validated = validateTextHead(named(chosen), { groups: chosen.texts, seed })
  return { ...validated, acceptor: acceptorFor(chosen, validated, dims) }
}

/** Mean negative log probability of the right labels, nats per row. */
const lossOf = (
  head: TextHead,
  rows: readonly TrainingRow[],
  labels: string[],
  encoded: EncodedTexts
) => {
  if (rows.length === 0) return null
  let loss = 0
  for (const row of rows) {
    const place = labels.indexOf(rowLabel(row))
    const text = rowText(row)
    const all = textProbabilities(head, [text], encoded.vectors.get(text)!)
    loss -= Math.log(Math.max(all[place] ?? 0, UNKNOWN_PROBABILITY))
  }
  return loss / rows.length
}

const dataHash = (rows: readonly TrainingRow[]): string => {
  const hash = createHash('sha256')
  for (const row of rows)
    hash.update(`${JSON.stringify([rowText(row), rowLabel(row), row.weight ?? 1])}\n`)
  return hash.digest('hex')
}

/** Directions and classes of the different training queries, a sample where they are too many. */
const neighbours = (
  { texts, labels }: TextRows,
  encoded: EncodedTexts,
  dims: number,
  seed: number
) => {
  // of equal texts the last one
  const known = new Map(texts.map((text, place) => [text, labels[place]!]))
  const kept = shuffle([...known], seededRandom(seed)).slice(0, MAX_QUERIES)
  const vectors = vectorsOf(
    kept.map(([text]) => text),
    encoded,
    dims
  )
  return { labels: kept.map(([, label]) => label), codes: directionsOf(vectors, dims).codes }
}

/**
 * @returns the head's id; `train_loss` is that of cross-validation
 * @throws AppError `store-unavailable`; the signal's reason when it is aborted
 */
export const trainLabelHead = async (
  task: HeadTask,
  hooks: TrainHooks,
  deps: TrainHeadDeps
): Promise<TrainResult> => {
  const { rows, validationRows, seed, suffix, metadata } = task
  const { encoder, headsDir, now } = deps
  const { dims } = encoder
  const startedAt = now()
  const labels = labelsOf(rows)
  const names = labels.map(nameText)
  const texts = [...rows, ...validationRows].map(rowText)
  const encoded = await encodeAll([...texts, ...names], deps, hooks)
  const all = textRows(rows, labels, encoded, dims)
  const nameVectors = vectorsOf(names, encoded, dims)
  const named = (own: TextRows): TextRows => withLabelNames(own, labels, nameVectors)
  // reports leave this process before it computes for seconds, and a cancel is read behind that
  await pause(1)
  const validated = validate(all, named, dims, seed)
  await pause(1)
  hooks.signal.throwIfAborted()
  const head = trainTextHead(named(all), validated)
  const kept = neighbours(all, encoded, dims, seed)
  const manifest: HeadManifest = {
    encoder: encoder.id,
    encoder_fingerprint: encoder.fingerprint,
    labels,
    dims,
    ...validated.embedded!,
    hashed: validated.hashed && { ...validated.hashed, dims: head.hashed!.dims },
    rows: rows.length,
    query_labels: kept.labels,
    acceptor: validated.acceptor && storedAcceptor(validated.acceptor),
    data_hash: dataHash(rows),
    seed,
    suffix,
    metadata,
  }
  const model = await writeHead(headsDir, { manifest, head, codes: kept.codes })
  const seconds = Math.max(0.001, (now() - startedAt) / 1000)
  const figures = {
    train_loss: validated.loss ?? lossOf(head, rows, labels, encoded)!,
    valid_loss: lossOf(head, validationRows, labels, encoded),
    tokens_per_second: encoded.tokens / seconds,
  }
  hooks.onProgress({ step: 1, total_steps: 1, eta_seconds: 0, ...figures })
  return {
    model,
    trainedTokens: encoded.tokens,
    metrics: {
      steps: 1,
      seconds,
      ...figures,
      peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
    },
  }
}
