/**
 * A field head on the exchanges of one template: fine-tuned on a part of its rows in bounded time, and judged as an
 * internalization would judge it. The training comes from outside.
 */
import { formRowOf, sourcesOfRequest, typeOfForm, type AnswerForm } from '../answer/answer-form.ts'
import { foldsOf, type Comparison } from '../answer/agreement.ts'
import { textsOf } from '../answer/outcome.ts'
import type { ResponseType } from '../answer/response-type.ts'
import type { Form } from '../form/form.ts'
import type { FormRow } from '../form/read-targets.ts'
import type { Source } from '../form/words.ts'
import type { Reason } from '../reason.ts'
import type { Split } from '../learn/split.ts'
import type { ScannedExchange } from './exchange.ts'
import { heldOutRows, type HeadAnswer, type HeadFit } from './coverage.ts'

export interface FieldTask {
  form: Form
  /** to learn from */
  rows: FormRow[]
  /** sources of the requests to answer */
  asked: Source[][]
  seed: number
  /** @param done share of the work, 0 to 1 */
  onProgress: (done: number) => void
}

export interface FilledForms {
  /** of each request */
  answers: HeadAnswer[]
  /** that were learned */
  rows: number
  /** the training ended by its time, so an internalization learns more */
  isCut: boolean
}

/** @returns why there are no answers, where there are none */
export type FillForm = (task: FieldTask) => Promise<FilledForms | { refused: Reason }>

interface FieldTrial {
  split: Split<ScannedExchange>
  form: AnswerForm<ScannedExchange>
  /** of the answers, without the form */
  type: ResponseType
}

export interface FieldFit {
  fit: HeadFit
  isCut: boolean
}

const comparisonOf = (type: ResponseType, exchanges: readonly ScannedExchange[]): Comparison => {
  const responseType = typeOfForm(type)
  return { responseType, folds: foldsOf(responseType, textsOf(exchanges)) }
}

export const fitFieldHead = async (
  { split, form, type }: FieldTrial,
  fillForm: FillForm,
  { seed, onProgress }: Pick<FieldTask, 'seed' | 'onProgress'>
): Promise<FieldFit | { refused: Reason }> => {
  const { train, traffic, unseen } = split
  const heldOut = [...new Set([...traffic, ...unseen])]
  const filled = await fillForm({
    form: form.form,
    rows: train.flatMap((exchange) => formRowOf(exchange) ?? []),
    asked: heldOut.map(sourcesOfRequest),
    seed,
    onProgress,
  })
  if ('refused' in filled) return filled
  const { answers, rows, isCut } = filled
  const comparison = comparisonOf(type, [...train, ...heldOut])
  return {
    fit: { arm: 'field-head', rows, heldOut: heldOutRows(split, heldOut, answers, comparison) },
    isCut,
  }
}
