/**
 * A field head in a minute, for an estimate: fine-tuned on as many rows as its time allows, at a higher rate than a
 * head that is kept, and asked at once. Writes no file.
 */
import type { Form } from '../../../src/core/form/form.ts'
import { sizesOf } from '../../../src/core/form/form.ts'
import type { FormRow } from '../../../src/core/form/read-targets.ts'
import type { Source } from '../../../src/core/form/words.ts'
import { trainFieldAcceptor } from '../../../src/core/learn/field-acceptor.ts'
import type { FieldEncoder } from '../encoder/fields/field-encoder.ts'
import { FieldModel } from '../encoder/fields/field-model.ts'
import { trainFields } from '../encoder/fields/field-training.ts'
import { precisionFor } from '../encoder/load-encoder.ts'
import { fieldAnswer, type FieldAnswer } from './field-answer.ts'
import { fieldRow } from './field-rows.ts'
import { foldsOf, judgeRows, scoresOf } from './judge-rows.ts'

export interface FillTask {
  form: Form
  /** to learn from */
  rows: readonly FormRow[]
  /** sources of the requests to answer */
  asked: readonly (readonly Source[])[]
  seed: number
  /** for all of it, about */
  seconds: number
  threads: number
  /** @param done share of the work, 0 to 1 */
  onProgress: (done: number) => void
}

export interface FilledForms {
  /** of each request; null: the machine was too slow for the training to say anything */
  answers: FieldAnswer[] | null
  /** of which a gradient was taken */
  rows: number
  /** row passes of the training each second */
  rowsPerSecond: number
  /** the training ended by its time before its last epoch */
  isCut: boolean
}

/** Share of the time for the training; the rest is for judged and asked rows. */
const TRAINING_SHARE = 0.65
/**
 * On 300 rows of restaurant8k, two epochs at this rate got 80 % of the answers right; at 5e-5, 45 %.
 */
const HYPERPARAMETERS = { batchSize: 8, layerRate: 2e-4, swapShare: 0, unknownShare: 0 }
/** A training that was cut before so many row passes has learned next to nothing. */
const LEAST_PASSES = 600
/** They take time that the training could have. */
const MAX_JUDGED = 300

const train = async (encoder: FieldEncoder, task: FillTask, learned: readonly FormRow[]) => {
  const { form, seed, threads, seconds, onProgress } = task
  const startedAt = performance.now()
  const maxSeconds = TRAINING_SHARE * seconds
  const { signal } = new AbortController()
  const rows = learned.flatMap((row) => fieldRow(form, row) ?? [])
  const trained = await trainFields(
    {
      encoder,
      sizes: sizesOf(form),
      rows,
      validationRows: [],
      hyperparameters: HYPERPARAMETERS,
      seed,
      checkpointDir: null,
    },
    {
      signal,
      onMessage: () => undefined,
      onProgress: ({ step, total_steps: total }) => {
        const byTime = (performance.now() - startedAt) / 1000 / maxSeconds
        onProgress(TRAINING_SHARE * Math.min(1, Math.max(step / total, byTime)))
      },
    },
    { threads, maxSeconds }
  )
  const { steps } = trained.metrics
  const { batchSize, epochs } = trained.hyperparameters
  return {
    trained,
    rows: Math.min(rows.length, steps * batchSize),
    rowsPerSecond: (steps * batchSize) / ((performance.now() - startedAt) / 1000),
    isCut: steps < epochs * Math.ceil(rows.length / batchSize),
    isTooShort: steps * batchSize < LEAST_PASSES,
  }
}

/** @throws AppError as `trainFields` */
export const fillForm = async (encoder: FieldEncoder, task: FillTask): Promise<FilledForms> => {
  const { form, seed, asked, threads, onProgress } = task
  const [fold] = foldsOf(task.rows, seed)
  const { learned, judged } = fold ?? { learned: task.rows, judged: [] }
  const some = judged.slice(0, MAX_JUDGED)
  const { trained, isTooShort, ...told } = await train(encoder, task, learned)
  if (told.isCut && isTooShort) return { answers: null, ...told }
  const precision = precisionFor(encoder.config)
  const model = await FieldModel.open(encoder, trained, { threads, precision })
  try {
    const { signal } = new AbortController()
    const acceptor = trainFieldAcceptor(await judgeRows({ model, form, kinds: null }, some, signal))
    const scores = await scoresOf(model, asked, signal)
    onProgress(1)
    const filler = { form, acceptor, known: null, leastCosine: null, kinds: null }
    const answers = asked.map((sources, at) => fieldAnswer(filler, sources, scores[at]!))
    return { answers, ...told }
  } finally {
    await model.close()
  }
}
