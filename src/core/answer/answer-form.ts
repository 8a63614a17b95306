/** The form of a template's logged answers: what a field head can learn. */
import { messagesText } from '../../openai/message-text.ts'
import { formSummary, type FormSummary } from '../form/describe-form.ts'
import { findForm } from '../form/find-form.ts'
import type { Form } from '../form/form.ts'
import type { FormRow } from '../form/read-targets.ts'
import type { Source } from '../form/words.ts'
import { requestSources } from './request-sources.ts'
import { EMPTY_PROMPT, studentMessages } from '../template/prompt.ts'
import { keptSlots, type Match } from '../template/template.ts'
import type { Outcome } from './outcome.ts'
import type { ResponseType } from './response-type.ts'

/** A logged request of the template, with what the upstream answered. */
interface AnsweredMatch {
  match: Match
  outcome: Outcome
}

export interface AnswerForm<Exchange> extends FormSummary {
  form: Form
  /** some exchanges whose answers it does not reproduce, newest first */
  unexplained: Exchange[]
}

/** Rows in which a form is searched: 1,000 take a quarter of a second. */
export const MAX_FORM_ROWS = 1_000

/** What an adapted model reads of a request. */
export const textOfRequest = ({ match }: Pick<AnsweredMatch, 'match'>): string =>
  messagesText(studentMessages(match, EMPTY_PROMPT))

/** What a head copies values from. */
export const sourcesOfRequest = ({ match }: Pick<AnsweredMatch, 'match'>): Source[] =>
  requestSources(
    studentMessages(match, EMPTY_PROMPT),
    keptSlots(match).map(({ slot }) => slot.name)
  )

/** @returns null for an answer that is no text */
export const formRowOf = ({ match, outcome }: AnsweredMatch): FormRow | null =>
  outcome.kind === 'text' ? { sources: sourcesOfRequest({ match }), answer: outcome.text } : null

/** @returns null where one of the answers is no text */
export const formRowsOf = (exchanges: readonly AnsweredMatch[]): FormRow[] | null => {
  const rows = exchanges.flatMap((exchange) => formRowOf(exchange) ?? [])
  return rows.length === exchanges.length ? rows : null
}

/**
 * @param exchanges to learn from, oldest first; a form is searched in the newest ones
 * @returns null: no form explains nine of ten answers, or one of them is no text
 */
export const findAnswerForm = <Exchange extends AnsweredMatch>(
  exchanges: readonly Exchange[]
): AnswerForm<Exchange> | null => {
  const newest = exchanges.slice(-MAX_FORM_ROWS)
  const rows = formRowsOf(newest)
  const found = rows && findForm(rows)
  return (
    found && {
      ...formSummary(found),
      form: found.form,
      unexplained: newest.filter((_, place) => found.unexplained.includes(place)).toReversed(),
    }
  )
}

/** How answers of one form are compared: texts like short ones, however long they are. */
export const typeOfForm = (type: ResponseType): ResponseType =>
  type === 'free-text' ? 'short-text' : type
