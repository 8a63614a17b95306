/**
 * Trains a field head: finds the form of the answers, fine-tunes the encoder on three quarters of the rows to learn
 * from the others how sure it may be, then on all rows, and writes the head.
 */
import { join } from 'node:path'
import { trainFieldAcceptor } from '../../../src/core/learn/field-acceptor.ts'
import { learnWords } from '../../../src/core/learn/head/known-words.ts'
import { sizesOf, withoutCopies, type Form } from '../../../src/core/form/form.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import type { TrainHooks, TrainProgress, TrainResult } from '../../contract/backend.ts'
import type { HeadTask } from '../../contract/label-head/train-head.ts'
import type { FieldEncoder } from '../encoder/fields/field-encoder.ts'
import type { FieldTrainingRow } from '../encoder/fields/field-job.ts'
import { FieldModel } from '../encoder/fields/field-model.ts'
import { writeFieldModel, type FieldManifest } from '../encoder/fields/field-model-file.ts'
import { trainFields, type TrainedFields } from '../encoder/fields/field-training.ts'
import type { FieldHeadForm } from './field-answer.ts'
import { fieldRows, formOfRows, formRow } from './field-rows.ts'
import { divide, judgeRows } from './judge-rows.ts'

export interface TrainFieldHeadDeps {
  encoder: FieldEncoder
  headsDir: string
  threads: number
}

/** Progress of one of two trainings as that of both. */
const partOf =
  ({ onProgress }: TrainHooks, before: number, share: number) =>
  (progress: TrainProgress): void => {
    const total = Math.round(progress.totalSteps / share)
    onProgress({
      ...progress,
      step: Math.round(before * total) + progress.step,
      totalSteps: total,
      etaSeconds: progress.etaSeconds / share,
    })
  }

interface Job {
  task: HeadTask
  hooks: TrainHooks
  deps: TrainFieldHeadDeps
  form: Form
  validationRows: FieldTrainingRow[]
}

/** @param before share of all work that is done, 0 to 1 @param share of the work that this is */
const fineTune = (
  { task, hooks, deps, form, validationRows }: Job,
  rows: readonly TrainingRow[],
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

type Certainty = Pick<FieldHeadForm, 'acceptor' | 'known'>

/** How sure a head may be, from rows that it has not learned from. */
const learnCertainty = async (
  job: Job,
  { layout, theta }: TrainedFields,
  { learned, judged }: Record<'learned' | 'judged', readonly TrainingRow[]>
): Promise<Certainty> => {
  const { encoder, threads } = job.deps
  const options = { threads, precision: 'float32' as const }
  const model = await FieldModel.open(encoder, { layout, theta }, options)
  try {
    const rows = judged.map(formRow)
    const answers = await judgeRows(model, job.form, rows, job.hooks.signal)
    const known = learnWords(
      fieldRows(job.form, learned).map(({ sources, targets: { tags } }) => ({ sources, tags })),
      rows.map(({ sources }, at) => ({ sources, tags: answers[at]!.decoded.targets.tags }))
    )
    return { acceptor: trainFieldAcceptor(answers), known }
  } finally {
    await model.close()
  }
}

/**
 * The weights between two taggers that began at the same ones are as right, and tell better which answers are (Wortsman
 * et al. 2022, arXiv 2203.05482): docs/experiments/field-heads.md.
 */
const meanOf = (one: Float32Array, other: Float32Array): Float32Array =>
  one.map((weight, at) => (weight + other[at]!) / 2)

/** Writes the head. @returns its id */
const write = (
  { task, deps, form }: Job,
  trained: TrainedFields,
  certainty: Certainty
): Promise<string> => {
  const stored: FieldHeadForm = { form: withoutCopies(form), ...certainty }
  const manifest: FieldManifest = {
    encoder: deps.encoder.name,
    encoder_fingerprint: deps.encoder.fingerprint,
    sizes: sizesOf(form),
    form: stored,
    rows: task.rows.length,
    data_hash: trained.dataHash,
    seed: task.seed,
    hyperparameters: { ...trained.hyperparameters },
    suffix: task.suffix,
    metadata: task.metadata,
  }
  return writeFieldModel(deps.headsDir, { manifest, theta: trained.theta }, deps.encoder)
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
  const { form, explained } = formOfRows(task.rows)
  const { fields, choices } = sizesOf(form)
  hooks.onMessage(
    'info',
    `a form of ${fields} copied fields and ${choices.length} choices explains ${(100 * explained).toFixed(1)} % of the answers`
  )
  const validationRows = fieldRows(form, task.validationRows)
  const job: Job = { task, hooks, deps, form, validationRows }
  const divided = divide(task.rows, formRow, task.seed)
  const { learned, judged } = divided
  // of the work, the part before the last training
  const share = judged.length === 0 ? 0 : learned.length / (learned.length + task.rows.length)
  const ofPart =
    judged.length === 0 ? null : await fineTune(job, learned, { name: 'judged', before: 0, share })
  const certainty: Certainty =
    ofPart === null ? { acceptor: null, known: null } : await learnCertainty(job, ofPart, divided)
  const trained = await fineTune(job, task.rows, { name: 'all', before: share, share: 1 - share })
  const theta = ofPart === null ? trained.theta : meanOf(trained.theta, ofPart.theta)
  const model = await write(job, { ...trained, theta }, certainty)
  return { model, trainedTokens: trained.trainedTokens, metrics: trained.metrics }
}
