/**
 * A label head on the exchanges of one template, trained and judged as an internalization would, on the
 * same split. Features come from outside.
 */
import { textOfRequest } from '../answer/answer-form.ts'
import { DEFER_ANSWER, targetOf, textsOf } from '../answer/outcome.ts'
import { foldsOf, type Comparison } from '../answer/agreement.ts'
import type { Split } from '../learn/split.ts'
import { itemAt, largestOf, valueIn } from '../lists.ts'
import { randomPart } from '../learn/bursts.ts'
import { nameText, withLabelNames } from '../learn/head/label-names.ts'
import { selectTexts, type TextRows } from '../learn/head/text-rows.ts'
import {
  textProbabilities,
  trainTextHead,
  validateTextHead,
  type TextHead,
} from '../learn/text-head.ts'
import { seededRandom } from '../../random.ts'
import type { ScannedExchange } from './exchange.ts'
import type { FillForm } from './field-head.ts'
import { heldOutRows, type HeadAnswer, type HeadFit } from './coverage.ts'

/** What a head reads of a text beside its hashed words. */
export interface Encoder {
  /** for a person to read */
  name: string
  /** 0 without embeddings */
  dims: number
  /** @returns `[texts, dims]`, row-major; null without embeddings */
  encode: (texts: string[]) => Promise<Float32Array | null>
  /** the same of texts that are no requests */
  encodeNames: (names: string[]) => Promise<Float32Array | null>
  /** tries it as a field head; null without embeddings */
  fillForm: FillForm | null
}

/** Five folds take four times as long, and choose the same penalty or a neighbour of it. */
const FOLDS = 2
/** With fewer rows a head has learned next to nothing. */
const LEAST_ROWS = 16

/** Training rows and labels, with the embeddings of all rows. */
interface Problem {
  /** what the head can answer */
  names: string[]
  /** `[names, dims]`, of what the names say */
  nameVectors: Float32Array | null
  train: TextRows
  heldOut: ScannedExchange[]
  heldOutTexts: string[]
  /** `[heldOut, dims]` */
  heldOutVectors: Float32Array | null
}

const problemOf = async (
  { train, traffic, unseen }: Split<ScannedExchange>,
  labels: readonly string[],
  encoder: Encoder
): Promise<Problem> => {
  const heldOut = [...new Set([...traffic, ...unseen])]
  const [texts, heldOutTexts] = [train.map(textOfRequest), heldOut.map(textOfRequest)]
  const defers = train.some(({ outcome }) => outcome.kind !== 'text')
  const names = defers ? [...labels, DEFER_ANSWER] : [...labels]
  const all = await encoder.encode([...texts, ...heldOutTexts])
  const end = train.length * encoder.dims
  const numbers = new Map(names.map((name, number) => [name, number]))
  return {
    names,
    nameVectors: await encoder.encodeNames(names.map(nameText)),
    train: {
      texts,
      vectors: all && all.subarray(0, end),
      labels: Int32Array.from(train, ({ outcome }) => valueIn(numbers, targetOf(outcome))),
      classes: names.length,
    },
    heldOut,
    heldOutTexts,
    heldOutVectors: all && all.subarray(end),
  }
}

const answersOf = (
  { names, heldOutTexts, heldOutVectors }: Problem,
  head: TextHead
): HeadAnswer[] => {
  const shares = textProbabilities(head, heldOutTexts, heldOutVectors)
  return Array.from({ length: shares.length / names.length }, (_, row) => {
    const own = shares.subarray(row * names.length, (row + 1) * names.length)
    const { place, score } = largestOf(own)
    return { text: itemAt(names, place), logprob: Math.log(score) }
  })
}

/**
 * Heads on a half and on all of the training rows, and their answers to the held-out ones.
 * The penalty, the temperature and the share of the hashed words are those of cross-validation on all rows.
 * @param labels answers of the training rows, at least two
 * @returns fewest rows first
 */
export const fitHeads = async (
  split: Split<ScannedExchange>,
  labels: readonly string[],
  { encoder, seed }: { encoder: Encoder; seed: number }
): Promise<HeadFit[]> => {
  const problem = await problemOf(split, labels, encoder)
  const all = [...split.train.keys()]
  const logged = textsOf(problem.heldOut)
  const comparison: Comparison = {
    responseType: 'label',
    folds: foldsOf('label', [...labels, ...logged]),
  }
  const groups = split.train.map(({ conversation }) => conversation)
  const named = (rows: TextRows): TextRows =>
    withLabelNames(rows, problem.names, problem.nameVectors)
  const settings = validateTextHead(named(problem.train), { groups, seed, folds: FOLDS })
  const half = randomPart(all, Math.floor(all.length / 2), seededRandom(seed))
  return [...(half.length < LEAST_ROWS ? [] : [half]), all].map((places) => {
    const head = trainTextHead(named(selectTexts(problem.train, places)), settings)
    return {
      arm: 'label-head',
      rows: places.length,
      heldOut: heldOutRows(split, problem.heldOut, answersOf(problem, head), comparison),
    }
  })
}
