/** Training rows and chat messages as a label head reads them: a text and a label. Pure. */
import { AppError } from '../../../src/errors.ts'
import { contentOf, messagesText } from '../../../src/openai/message-text.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import { invalidRequest } from '../validation.ts'

/** Each label has weights for each dimension, and each row a probability for each label. */
const MAX_LABELS = 2000
/** 100,000 rows of 384 dimensions take 150 MB. */
const MAX_ROWS = 100_000
/** Numbers of `[rows, labels]`, float32. */
const MAX_PROBABILITIES = 50e6

export const rowText = (row: TrainingRow): string => messagesText(row.messages.slice(0, -1))

export const rowLabel = (row: TrainingRow): string => contentOf(row.messages.at(-1)!)

/** The different labels, in the order of their first rows. */
export const labelsOf = (rows: readonly TrainingRow[]): string[] => [...new Set(rows.map(rowLabel))]

const invalid = (message: string): AppError => invalidRequest(message, 'training_file')

/** @throws AppError `invalid-request` when a head cannot be trained on the rows */
export const checkTrainingRows = (rows: readonly TrainingRow[]): void => {
  const labels = labelsOf(rows).length
  if (labels < 2)
    throw invalid(`a label head needs at least two labels; all ${rows.length} rows have the same`)
  if (labels > MAX_LABELS)
    throw invalid(
      `${labels} different completions are not labels: a label head takes up to ${MAX_LABELS}; train a lora`
    )
  if (rows.length > MAX_ROWS || rows.length * labels > MAX_PROBABILITIES)
    throw invalid(
      `${rows.length} rows with ${labels} labels are too many: up to ${Math.min(MAX_ROWS, Math.floor(MAX_PROBABILITIES / labels))} fit`
    )
}
