/**
 * Trains a field head: finds the form of the answers, fine-tunes the encoder on three quarters of the rows, up to four
 * times, to learn from the other quarter how sure it may be, then on all rows, and writes the mean of these taggers:
 * the weights between taggers that began at the same ones are as right, and tell better which answers are (Wortsman
 * et al. 2022, arXiv 2203.05482; docs/experiments.md#field-heads).
 */
import { join } from 'node:path'
import { trainFieldAcceptor, type JudgedFields } from '../../../src/core/learn/field-acceptor.ts'
import {
  learnWords,
  type TaggedFold,
  type TaggedText,
} from '../../../src/core/learn/head/known-words.ts'
import { leastCosine, storedKinds } from '../../../src/core/learn/head/known-kinds.ts'
import { sizesOf, withoutCopies, type Form } from '../../../src/core/form/form.ts'
import type { TrainHooks, TrainProgress, TrainResult } from '../../host/backend.ts'
import type { HeadTask } from '../../host/label-head/train-head.ts'
import type { FieldEncoder } from '../encoder/fields/field-encoder.ts'
import type { FieldTrainingRow } from '../encoder/fields/field-job.ts'
import { FieldModel } from '../encoder/fields/field-model.ts'
import { writeFieldModel, type FieldManifest } from '../encoder/fields/field-model-file.ts'
import { trainFields, type TrainedFields } from '../encoder/fields/field-training.ts'
import type { FieldHeadForm } from './field-answer.ts'
import { fieldRows, formOfRows, readRow, slotsOfRows, type ReadRow } from './field-rows.ts'
import { foldsOf, judgeRows, kindsOfRows, LEARNED_SHARE, type Fold } from './judge-rows.ts'

export interface TrainFieldHeadDeps {
  encoder: FieldEncoder
  headsDir: string
  threads: number
}

/** Progress of one of the trainings as that of all. */
const partOf =
  ({ onProgress }: TrainHooks, before: number, share: number) =>
  (progress: TrainProgress): void => {
    const total = Math.round(progress.total_steps / share)
    onProgress({
      ...progress,
      step: Math.round(before * total) + progress.step,
      total_steps: total,
      eta_seconds: progress.eta_seconds / share,
    })
  }

/** Rows that the taggers of the folds learn from, over all: some four minutes of two cores. */
const MAX_FOLD_ROWS = 4_500

const foldsFor = (rows: number): number =>
  Math.max(1, Math.floor(MAX_FOLD_ROWS / (LEARNED_SHARE * rows)))

interface Job {
  task: HeadTask
  hooks: TrainHooks
  deps: TrainFieldHeadDeps
  form: Form
  slots: string[]
  rows: ReadRow[]
  validationRows: FieldTrainingRow[]
}

/** @param before share of all work that is done, 0 to 1 @param share of the work that this is */
const fineTune = (
  { task, hooks, deps, form, validationRows }: Job,
  rows: readonly ReadRow[],
  { name, before, share }: { name: string; before: number; share: number }
): Promise<TrainedFields> =>
  trainFields(
    {
      encoder: deps.encoder,
      sizes: sizesOf(form),
      rows: fieldRows(form, rows),
      validationRows,
      hyperparameters: {},
      seed: task.seed,
      checkpointDir: join(task.checkpointDir, name),
    },
    { ...hooks, onProgress: partOf(hooks, before, share) },
    { threads: deps.threads }
  )

type Certainty = Pick<FieldHeadForm, 'acceptor' | 'known' | 'leastCosine'>

/** What the taggers of the folds say of the rows that they have not learned, and the sum of their weights. */
interface JudgedFolds {
  answers: JudgedFields[]
  tagged: TaggedFold[]
  theta: Float32Array | null
  taggers: number
}

const taggedRows = (form: Form, rows: readonly ReadRow[]): TaggedText[] =>
  fieldRows(form, rows).map(({ sources, targets: { tags } }) => ({ sources, tags }))

const asTagger = async <Result>(
  { deps }: Job,
  tagger: Pick<TrainedFields, 'layout' | 'theta'>,
  work: (model: FieldModel) => Promise<Result>
): Promise<Result> => {
  const options = { threads: deps.threads, precision: 'float32' as const }
  const model = await FieldModel.open(deps.encoder, tagger, options)
  try {
    return await work(model)
  } finally {
    await model.close()
  }
}

/** Adds what a tagger says of the rows that it has not learned. */
const judgeFold = async (
  job: Job,
  tagger: TrainedFields,
  { learned, judged }: Fold<ReadRow>,
  folds: JudgedFolds
): Promise<void> => {
  const { form, hooks } = job
  const answers = await asTagger(job, tagger, async (model) => {
    const kinds = await kindsOfRows(model, fieldRows(form, learned), hooks.signal)
    return judgeRows({ model, form, kinds }, judged, hooks.signal)
  })
  folds.answers.push(...answers)
  folds.tagged.push({
    learned: taggedRows(form, learned),
    judged: judged.map(({ sources }, at) => ({
      sources,
      tags: answers[at]!.decoded.targets.tags,
    })),
  })
  addWeights(folds, tagger.theta)
}

const addWeights = (folds: JudgedFolds, theta: Float32Array): void => {
  folds.taggers++
  if (folds.theta === null) folds.theta = theta.slice()
  else for (let at = 0; at < theta.length; at++) folds.theta[at]! += theta[at]!
}

/** Writes the head. @returns its id */
const write = async (job: Job, trained: TrainedFields, certainty: Certainty): Promise<string> => {
  const { task, hooks, deps, form, slots, rows } = job
  const learned = fieldRows(form, rows)
  const kinds = await asTagger(job, trained, (model) => kindsOfRows(model, learned, hooks.signal))
  const stored: FieldHeadForm = { form: withoutCopies(form), slots, ...certainty }
  const manifest: FieldManifest = {
    encoder: deps.encoder.name,
    encoder_fingerprint: deps.encoder.fingerprint,
    sizes: sizesOf(form),
    form: stored,
    kinds: storedKinds(kinds),
    rows: rows.length,
    data_hash: trained.dataHash,
    seed: task.seed,
    hyperparameters: { ...trained.hyperparameters },
    suffix: task.suffix,
    metadata: task.metadata,
  }
  const { codes } = kinds.directions
  return writeFieldModel(deps.headsDir, { manifest, theta: trained.theta, codes }, deps.encoder)
}

/**
 * @returns the head's id
 * @throws AppError `invalid-request` when no form explains the completions, `store-unavailable`; the signal's reason
 * when it is aborted
 */
export const trainFieldHead = async (
  task: HeadTask,
  hooks: TrainHooks,
  deps: TrainFieldHeadDeps
): Promise<TrainResult> => {
  const slots = slotsOfRows(task.rows)
  const rows = task.rows.map((row) => readRow(row, slots))
  const { form, explained } = formOfRows(rows)
  const { fields, choices } = sizesOf(form)
  hooks.onMessage(
    'info',
    `a form of ${fields} copied fields and ${choices.length} choices explains ${(100 * explained).toFixed(1)} % of the answers`
  )
  const validationRows = fieldRows(
    form,
    task.validationRows.map((row) => readRow(row, slots))
  )
  const job: Job = { task, hooks, deps, form, slots, rows, validationRows }
  const folds = foldsOf(rows, task.seed).slice(0, foldsFor(rows.length))
  const work = folds.reduce((sum, { learned }) => sum + learned.length, rows.length)
  const judged: JudgedFolds = { answers: [], tagged: [], theta: null, taggers: 0 }
  let before = 0
  for (const [at, fold] of folds.entries()) {
    const share = fold.learned.length / work
    const tagger = await fineTune(job, fold.learned, { name: `fold-${at}`, before, share })
    await judgeFold(job, tagger, fold, judged)
    before += share
  }
  const share = rows.length / work
  const trained = await fineTune(job, rows, { name: 'all', before, share })
  addWeights(judged, trained.theta)
  const theta = judged.theta!.map((sum) => sum / judged.taggers)
  const acceptor = trainFieldAcceptor(judged.answers)
  const certainty = {
    acceptor,
    known: learnWords(judged.tagged),
    leastCosine: leastCosine(judged.answers.flatMap(({ near }) => near ?? [])),
  }
  const model = await write(job, { ...trained, theta }, certainty)
  return { model, trainedTokens: trained.trainedTokens, metrics: trained.metrics }
}
