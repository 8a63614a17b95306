/** Rows that a tagger has not learned from, and whether it gets them right: how sure a head may be is learned from these. */
import { decodeTargets } from '../../../src/core/form/decode-targets.ts'
import type { Form } from '../../../src/core/form/form.ts'
import { isSameAnswer, type FormRow } from '../../../src/core/form/read-targets.ts'
import { renderAnswer } from '../../../src/core/form/render-answer.ts'
import type { Source } from '../../../src/core/form/words.ts'
import { groupBy } from '../../../src/core/group-by.ts'
import type { JudgedFields } from '../../../src/core/learn/field-acceptor.ts'
import {
  knownKinds,
  neighbourhoodOfKind,
  type KnownKinds,
} from '../../../src/core/learn/head/known-kinds.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../src/random.ts'
import type { FieldTrainingRow } from '../encoder/fields/field-job.ts'
import type { FieldModel, RowScores } from '../encoder/fields/field-model.ts'

/** Equal parts of the rows, each of which is judged by a tagger of the others. */
const PARTS = 4
/** Share of the rows that the tagger of a fold learns. */
export const LEARNED_SHARE = 1 - 1 / PARTS
/** Rows with fewer are not divided: then the product of the fields' probabilities counts. */
const MIN_DIVIDED = 40
const ROWS_AT_A_TIME = 64
/** Tells this draw from others of the same seed. */
const JUDGED_SEED = 0x6a7564

export interface Fold<Row extends FormRow> {
  learned: Row[]
  judged: Row[]
}

/**
 * Rows with equal texts stay on one side, so that none is judged by a tagger that has seen its text.
 * @returns none where the rows are too few
 */
export const foldsOf = <Row extends FormRow>(rows: readonly Row[], seed: number): Fold<Row>[] => {
  const byText = groupBy(rows, ({ sources }) => sources[0]!.text)
  if (rows.length < MIN_DIVIDED || byText.size < PARTS) return []
  const groups = shuffle([...byText.values()], seededRandom(deriveSeed(seed, JUDGED_SEED)))
  const parts = Array.from({ length: PARTS }, (): Row[] => [])
  for (const group of groups) {
    const smallest = parts.reduce((best, part) => (part.length < best.length ? part : best))
    smallest.push(...group)
  }
  return parts.map((judged) => ({
    learned: parts.filter((part) => part !== judged).flat(),
    judged,
  }))
}

/** Scores in parts of bounded memory. @throws the signal's reason when it is aborted */
export const scoresOf = async (
  model: FieldModel,
  rows: readonly (readonly Source[])[],
  signal: AbortSignal
): Promise<RowScores[]> => {
  const scores: RowScores[] = []
  for (let from = 0; from < rows.length; from += ROWS_AT_A_TIME) {
    signal.throwIfAborted()
    scores.push(...(await model.scores(rows.slice(from, from + ROWS_AT_A_TIME))))
  }
  return scores
}

/** The kinds of answers of learned rows, as the tagger sees their requests. */
export const kindsOfRows = async (
  model: FieldModel,
  rows: readonly FieldTrainingRow[],
  signal: AbortSignal
): Promise<KnownKinds> => {
  const scores = await scoresOf(
    model,
    rows.map(({ sources }) => sources),
    signal
  )
  return knownKinds(rows.map(({ targets }, at) => ({ targets, embedding: scores[at]!.embedding })))
}

/** A tagger, the form that it fills, and the kinds of answers that it has learned; null: they do not count. */
export interface Tagger {
  model: FieldModel
  form: Form
  kinds: KnownKinds | null
}

/** Each row's answer of the tagger, with how sure it was and whether it is the logged one. */
export const judgeRows = async (
  { model, form, kinds }: Tagger,
  rows: readonly FormRow[],
  signal: AbortSignal
): Promise<JudgedFields[]> => {
  const scores = await scoresOf(
    model,
    rows.map(({ sources }) => sources),
    signal
  )
  return rows.map(({ sources, answer }, at): JudgedFields => {
    const decoded = decodeTargets(form, sources, scores[at]!)
    const { targets } = decoded
    const near = kinds && neighbourhoodOfKind(kinds, { ...scores[at]!, targets })
    const isRight = isSameAnswer(form, renderAnswer(form, sources, targets), answer)
    return { decoded, words: targets.tags.length, near, isRight }
  })
}
