/** Training rows and chat messages as a field head reads them: sources, and the answer that is made of them. Pure. */
import { findForm, type FoundForm } from '../../../src/core/form/find-form.ts'
import type { Form } from '../../../src/core/form/form.ts'
import { readTargets, type FormRow } from '../../../src/core/form/read-targets.ts'
import type { Source } from '../../../src/core/form/words.ts'
import { requestSources, slotNames } from '../../../src/core/answer/request-sources.ts'
import { AppError } from '../../../src/errors.ts'
import type { ChatMessage } from '../../../src/openai/chat.ts'
import type { TrainingRow } from '../../../src/openai/fine-tuning.ts'
import { contentOf } from '../../../src/openai/message-text.ts'
import type { FieldTrainingRow } from '../encoder/fields/field-job.ts'
import { invalidRequest } from '../../host/validation.ts'

/** A form is searched in so many rows: 5,000 take seconds. */
const MAX_FORM_ROWS = 5_000

/** A training row as a field head reads it. */
export interface ReadRow extends FormRow {
  sources: Source[]
  /** of the row in the loss; default 1 */
  weight?: number
}

const askedIn = ({ messages }: TrainingRow): ChatMessage[] => messages.slice(0, -1)

/** The slots with which all rows begin. */
export const slotsOfRows = (rows: readonly TrainingRow[]): string[] => slotNames(rows.map(askedIn))

export const readRow = (row: TrainingRow, slots: readonly string[]): ReadRow => ({
  sources: requestSources(askedIn(row), slots),
  answer: contentOf(row.messages.at(-1)!),
  weight: row.weight,
})

const invalid = (message: string): AppError => invalidRequest(message, 'training_file')

/**
 * Checks rows without a search for their form: for 5,000 rows the search takes seconds, so the training does it.
 * @throws AppError `invalid-request`
 */
export const checkFieldRows = (rows: readonly TrainingRow[]): void => {
  const answers = rows.map(({ messages }) => contentOf(messages.at(-1)!))
  if (answers.every((answer) => answer === answers[0]))
    throw invalid('all completions are the same, so there is nothing to learn')
}

/** @throws AppError `invalid-request` when no form explains the answers */
export const formOfRows = (rows: readonly FormRow[]): FoundForm => {
  const found = findForm(rows.slice(0, MAX_FORM_ROWS))
  if (found === null)
    throw invalid(
      'no form explains nine of ten completions: a field head needs values that are copied from the messages or chosen from a closed set; train a lora'
    )
  return found
}

/** Null: the form does not explain the row. */
export const fieldRow = (form: Form, row: FormRow): FieldTrainingRow | null => {
  const targets = readTargets(form, row)
  return targets && { sources: [...row.sources], targets }
}

/** The rows that the form explains. */
export const fieldRows = (form: Form, rows: readonly ReadRow[]): FieldTrainingRow[] =>
  rows.flatMap((row) => {
    const read = fieldRow(form, row)
    return read === null ? [] : [{ ...read, weight: row.weight }]
  })
