/** Looks once, for the whole plan, for the form of the answers that a field head would fill. */
import { describeForm, type FormSummary } from '../../core/form/describe-form.ts'
import { findForm } from '../../core/form/find-form.ts'
import { withoutCopies } from '../../core/form/form.ts'
import type { FormRow } from '../../core/form/read-targets.ts'
import { soleSource } from '../../core/form/words.ts'
import type { InternalizeOptions } from '../../core/internalization/internalization.ts'
import { EMPTY_PROMPT, studentMessages } from '../../core/template/prompt.ts'
import { messagesText } from '../../openai/message-text.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'

/** Rows in which a form is searched: the engine searches it anew in its rows. */
const MAX_FORM_ROWS = 1_000

type Arms = Pick<InternalizeOptions, 'arms'>

/** What is missing for a field head. @returns null: the engine has one, and it may compete */
export const withoutFieldHead = ({ arms }: Arms, encoder: ModelObject | null): string | null => {
  if (encoder?.training_methods?.includes('field-head') !== true) return 'set ENCODER_PATH'
  return arms.includes('field-head') ? null : 'add field-head to ARMS'
}

/** Of answers that are no labels. @returns null: no form explains nine of ten of the newest answers */
export const formOf = (train: readonly MatchedExchange[]): FormSummary | null => {
  const newest = train.slice(-MAX_FORM_ROWS)
  const rows = newest.flatMap(({ match, outcome }): FormRow[] => {
    if (outcome.kind !== 'text') return []
    const text = messagesText(studentMessages(match, EMPTY_PROMPT))
    return [{ sources: soleSource(text), answer: outcome.text }]
  })
  const found = rows.length < newest.length ? null : findForm(rows)
  return found && { explained: found.explained, fields: describeForm(withoutCopies(found.form)) }
}
