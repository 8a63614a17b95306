/** Looks once, for the whole plan, for the form of the answers that a field head would fill. */
import { findAnswerForm, formRowsOf, MAX_FORM_ROWS } from '../../core/answer/answer-form.ts'
import { minuteText } from '../../core/days.ts'
import { findForm } from '../../core/form/find-form.ts'
import { withoutCopies, type Form } from '../../core/form/form.ts'
import { formChanges } from '../../core/form/describe-form.ts'
import { readTargets } from '../../core/form/read-targets.ts'
import type { InternalizeOptions, PlannedForm } from '../../core/internalization/internalization.ts'
import type { ReasonFigures } from '../../core/reason.ts'
import type { Template } from '../../core/template/template.ts'
import type { ModelObject } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import { trainsFields } from '../engine/watch.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { itemAt } from '../../core/lists.ts'

/** Examples for a person: some of their texts may be deleted when they are looked at. */
const MAX_UNEXPLAINED = 10

type Arms = Pick<InternalizeOptions, 'arms'>

/** What is missing for a field head. @returns null: the engine has one, and it may compete */
export const withoutFieldHead = (
  { arms }: Arms,
  encoder: ModelObject | null
): ReasonFigures['free-text']['fieldHead'] => {
  if (!trainsFields(encoder)) return 'encoder'
  return arms.includes('field-head') ? null : 'arm'
}

/**
 * Of answers that are no labels.
 * @param train oldest first
 * @returns null: no form explains nine of ten of the newest answers
 */
export const formOf = (
  train: readonly MatchedExchange[]
): { form: PlannedForm; answerForm: Form } | null => {
  const found = findAnswerForm(train)
  if (found === null) return null
  const { explained, fields } = found
  const unexplained = found.unexplained.slice(0, MAX_UNEXPLAINED).map(({ id }) => id)
  return { form: { explained, fields, unexplained }, answerForm: withoutCopies(found.form) }
}

/** Parts of the rows, the newest ones, in which a form is looked for that the older ones do not have. */
const NEWEST_PARTS = [1 / 8, 1 / 4, 1 / 2]
/** Answers of a form: fewer may be chance. */
const MIN_ANSWERS = 40
/** Share of the answers that the newer form explains since the change at least, and before it at most. */
const SINCE = 0.9
const BEFORE = 0.5

const trueShare = (values: readonly boolean[]): number =>
  values.filter(Boolean).length / values.length

/** The place from which on most rows are explained, and before which most are not. */
const cutOf = (isExplained: readonly boolean[]): number | null => {
  let [best, cut, balance] = [0, 0, 0]
  for (let place = isExplained.length - 1; place >= 0; place--) {
    balance += isExplained[place] ? 1 : -1
    if (balance > best) [best, cut] = [balance, place]
  }
  const isClean = cut >= MIN_ANSWERS && trueShare(isExplained.slice(cut)) >= SINCE
  return isClean && trueShare(isExplained.slice(0, cut)) <= BEFORE ? cut : null
}

/**
 * Where the answers have had another form for some time. Over all of them there may be no form, or one in which a member
 * that was added is optional: then nothing in a request tells whether it is there.
 * @param train oldest first
 * @returns milliseconds since the epoch of the first answer of the newer form; null: there is no such time
 */
export const newerFormSince = (train: readonly MatchedExchange[]): number | null => {
  const newest = train.slice(-MAX_FORM_ROWS)
  const rows = formRowsOf(newest)
  if (rows === null) return null
  for (const part of NEWEST_PARTS) {
    const count = Math.floor(part * rows.length)
    const found = count < MIN_ANSWERS ? null : findForm(rows.slice(-count))
    if (found === null) continue
    const cut = cutOf(rows.map((row) => readTargets(found.form, row) !== null))
    return cut === null ? null : itemAt(newest, cut).at
  }
  return null
}

/** The form with what differs from the last one of the template, which the log tells. */
export const withChange = async (
  { store, log }: Pick<WorkerDeps, 'store' | 'log'>,
  { version }: Template,
  { form, since }: { form: PlannedForm; since: number | null }
): Promise<PlannedForm> => {
  const forms = (await store.internalizations.list()).flatMap(({ templateVersion, plan }) =>
    templateVersion === version ? (plan?.form ?? []) : []
  )
  const before = forms.at(-1)
  const changes = before ? formChanges(before.fields, form.fields) : []
  if (changes.length === 0 && since === null) return form
  const when =
    since === null ? [] : [`since ${minuteText(since)} UTC, and older answers are left out`]
  const change = [...changes, ...when].join('; ')
  log({ level: 'warn', message: `the form of the answers changed: ${change}`, data: { version } })
  return { ...form, change }
}
