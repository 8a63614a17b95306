/**
 * Rows as the inputs of a field model's graphs: windows padded to one width, their tokens embedded, and
 * where the words are. Pure: knows nothing of tokenizers or of onnxruntime.
 */
import type { FieldScores, FormSizes, Targets } from '../../../../src/core/form/targets.ts'
import type { WeightSource } from '../../../model/llama-config.ts'
import type { PackedInput } from '../../gradient/packed-input.ts'
import type { EncoderConfig } from '../encoder-config.ts'
import { choiceClasses, tagClasses } from './field-layout.ts'
import type { FieldTokens } from './field-tokens.ts'

/** A row to learn. */
export interface FieldExample {
  tokens: FieldTokens
  targets: Targets
  /** of the row in the loss */
  weight: number
  /** of its choices; default `weight` */
  choiceWeight?: number
}

/** The frozen tables of an encoder, which all its field models share. */
export interface TokenEmbeddings {
  /** `[vocabulary, hidden]` */
  words: Float32Array
  /** `[positions, hidden]` */
  positions: Float32Array
  /** `[types, hidden]` */
  types: Float32Array
  hiddenSize: number
}

export const readEmbeddings = (
  weights: WeightSource,
  { hiddenSize }: EncoderConfig
): TokenEmbeddings => ({
  words: weights.float32('embeddings.word_embeddings.weight'),
  positions: weights.float32('embeddings.position_embeddings.weight'),
  types: weights.float32('embeddings.token_type_embeddings.weight'),
  hiddenSize,
})

export type FieldInputs = Record<string, PackedInput>

export interface FieldBatch {
  inputs: FieldInputs
  /** row and number in it of each scored word, in the order of the graph's output `tags` */
  words: { row: number; word: number }[]
  /** tokens that the graph computes, padding included */
  tokens: number
}

export const tokenCount = ({ windows }: FieldTokens): number =>
  windows.reduce((sum, { ids }) => sum + ids.length, 0)

/** Length of the longest window. */
const widthOf = (rows: readonly FieldTokens[]): number =>
  Math.max(...rows.flatMap(({ windows }) => windows.map(({ ids }) => ids.length)))

/**
 * Rows of similar length together, so that little padding is computed, in parts of up to so many tokens,
 * padding included; a row that has more is a part of its own.
 * @returns numbers of the rows
 */
export const splitByTokens = (rows: readonly FieldTokens[], maxTokens: number): number[][] => {
  const widths = rows.map((row) => widthOf([row]))
  const parts: number[][] = []
  let part: number[] = []
  let windows = 0
  for (const row of [...rows.keys()].sort((a, b) => widths[a]! - widths[b]!)) {
    const own = rows[row]!.windows.length
    if (part.length > 0 && (windows + own) * widths[row]! > maxTokens) {
      parts.push(part)
      part = []
      windows = 0
    }
    part.push(row)
    windows += own
  }
  return part.length > 0 ? [...parts, part] : parts
}

const embed = (
  { words, positions, types, hiddenSize }: TokenEmbeddings,
  windows: readonly { ids: number[]; types: number[] }[],
  width: number
): Float32Array => {
  // encoders with one type give it to all tokens
  const lastType = types.length / hiddenSize - 1
  const embedded = new Float32Array(windows.length * width * hiddenSize)
  for (const [row, window] of windows.entries())
    for (const [position, id] of window.ids.entries()) {
      const start = (row * width + position) * hiddenSize
      const [word, place] = [id * hiddenSize, position * hiddenSize]
      const type = Math.min(window.types[position]!, lastType) * hiddenSize
      for (let k = 0; k < hiddenSize; k++)
        embedded[start + k] = words[word + k]! + positions[place + k]! + types[type + k]!
    }
  return embedded
}

/** @param rows at least one */
export const packFields = (
  rows: readonly FieldTokens[],
  embeddings: TokenEmbeddings
): FieldBatch => {
  const windows = rows.flatMap(({ windows: own }) => own)
  const width = widthOf(rows)
  const tokens = windows.length * width
  const mask = new BigInt64Array(tokens)
  const pool = new Float32Array(rows.length * tokens)
  const words: FieldBatch['words'] = []
  const places: number[] = []
  let start = 0
  for (const [row, own] of rows.entries()) {
    const share = 1 / tokenCount(own)
    for (const { ids, words: scored } of own.windows) {
      mask.fill(1n, start, start + ids.length)
      pool.fill(share, row * tokens + start, row * tokens + start + ids.length)
      for (const { word, token } of scored) {
        words.push({ row, word })
        places.push(start + token)
      }
      start += width
    }
  }
  // one place more, so that the list is never empty
  const wordTokens = BigInt64Array.from([...places, 0], BigInt)
  return {
    words,
    tokens,
    inputs: {
      embedded: {
        type: 'float',
        data: embed(embeddings, windows, width),
        dims: [windows.length, width, embeddings.hiddenSize],
      },
      mask: { type: 'int64', data: mask, dims: [windows.length, width] },
      word_tokens: { type: 'int64', data: wordTokens, dims: [wordTokens.length] },
      pool: { type: 'float', data: pool, dims: [rows.length, tokens] },
    },
  }
}

/** Weights of a whole step, of which a batch may be a part. */
export interface LossTotals {
  /** Σ of the words' weights */
  words: number
  /** Σ of the weights of the rows' choices */
  rows: number
}

const scoredWords = ({ windows }: FieldTokens): number =>
  windows.reduce((sum, { words }) => sum + words.length, 0)

export const lossTotals = (examples: readonly FieldExample[]): LossTotals => ({
  words: examples.reduce((sum, { tokens, weight }) => sum + weight * scoredWords(tokens), 0),
  rows: examples.reduce((sum, { weight, choiceWeight = weight }) => sum + choiceWeight, 0),
})

/**
 * Inputs of the training graph: the loss is the mean over words plus the mean over rows, both weighted.
 * @param totals of the step
 */
export const packExamples = (
  examples: readonly FieldExample[],
  embeddings: TokenEmbeddings,
  sizes: FormSizes,
  totals: LossTotals
): FieldBatch => {
  const batch = packFields(
    examples.map(({ tokens }) => tokens),
    embeddings
  )
  const count = batch.words.length + 1
  const classes = tagClasses(sizes)
  const targets = new Float32Array(count * classes)
  const weights = new Float32Array(count)
  // a token without a word points behind the words, at zeros
  const wordOfToken = new BigInt64Array(batch.tokens).fill(BigInt(count))
  const places = batch.inputs.word_tokens!.data
  for (const [at, { row, word }] of batch.words.entries()) {
    const { targets: own, weight } = examples[row]!
    targets[at * classes + own.tags[word]!] = 1
    weights[at] = totals.words === 0 ? 0 : weight / totals.words
    wordOfToken[Number(places[at])] = BigInt(at)
  }
  // the place behind the last word has weight 0
  targets[(count - 1) * classes] = 1
  const { inputs } = batch
  inputs.tag_targets = { type: 'float', data: targets, dims: [count, classes] }
  inputs.tag_weights = { type: 'float', data: weights, dims: [count, 1] }
  inputs.word_of_token = { type: 'int64', data: wordOfToken, dims: [batch.tokens] }
  if (sizes.choices.length > 0) Object.assign(inputs, choiceInputs(examples, sizes, totals))
  return batch
}

const choiceInputs = (
  examples: readonly FieldExample[],
  sizes: FormSizes,
  totals: LossTotals
): FieldInputs => {
  const width = choiceClasses(sizes)
  const targets = new Float32Array(examples.length * width)
  const weights = new Float32Array(examples.length)
  for (const [row, { targets: own, weight, choiceWeight = weight }] of examples.entries()) {
    weights[row] = totals.rows === 0 ? 0 : choiceWeight / totals.rows
    let start = row * width
    for (const [choice, classes] of sizes.choices.entries()) {
      targets[start + own.choices[choice]!] = 1
      start += classes
    }
  }
  return {
    choice_targets: { type: 'float', data: targets, dims: [examples.length, width] },
    choice_weights: { type: 'float', data: weights, dims: [examples.length, 1] },
  }
}

/**
 * The graph's outputs as scores of each row. A word that was cut has the same probability for each tag:
 * nothing is known of it.
 * @param tags `[words + 1, classes]`; @param choices `[rows, Σ classes]`, null where there are none
 */
export const unpackScores = (
  rows: readonly FieldTokens[],
  { words }: Pick<FieldBatch, 'words'>,
  sizes: FormSizes,
  { tags, choices }: { tags: Float32Array; choices: Float32Array | null }
): FieldScores[] => {
  const classes = tagClasses(sizes)
  const scores = rows.map(({ words: count }, row): FieldScores => {
    let start = row * choiceClasses(sizes)
    return {
      tags: new Float32Array(count * classes).fill(-Math.log(classes)),
      choices: sizes.choices.map((own) => choices!.slice(start, (start += own))),
    }
  })
  for (const [at, { row, word }] of words.entries())
    scores[row]!.tags.set(tags.subarray(at * classes, (at + 1) * classes), word * classes)
  return scores
}

const isHighest = (scores: Float32Array, from: number, classes: number, at: number): boolean => {
  for (let k = from; k < from + classes; k++) if (scores[k]! > scores[from + at]!) return false
  // nothing is above NaN
  return !Number.isNaN(scores[from + at]!)
}

/** How many rows have each tag and each choice most probable that is their target. */
export const rightRows = (
  examples: readonly FieldExample[],
  { words }: Pick<FieldBatch, 'words'>,
  sizes: FormSizes,
  { tags, choices }: { tags: Float32Array; choices: Float32Array | null }
): number => {
  const classes = tagClasses(sizes)
  const wrong = new Set<number>()
  for (const [at, { row, word }] of words.entries())
    if (!isHighest(tags, at * classes, classes, examples[row]!.targets.tags[word]!)) wrong.add(row)
  for (const [row, { targets }] of examples.entries()) {
    let start = row * choiceClasses(sizes)
    for (const [choice, own] of sizes.choices.entries()) {
      if (!isHighest(choices!, start, own, targets.choices[choice]!)) wrong.add(row)
      start += own
    }
  }
  return examples.length - wrong.size
}
