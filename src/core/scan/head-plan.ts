/**
 * Which head can be tried on the exchanges of a template, for labels or for a form: the split that the gate would
 * make, the type of the answers, and the obstacle where there is one.
 */
import { findAnswerForm, type AnswerForm } from '../answer/answer-form.ts'
import { textsOf } from '../answer/outcome.ts'
import {
  detectResponseType,
  knownLabels,
  rowsUntilLabels,
  type IsListed,
  type ResponseType,
} from '../answer/response-type.ts'
import { fewTextAnswers, minimumRows } from '../gate/samples.ts'
import { splitPopulation, type Split, type SplitSettings } from '../learn/split.ts'
import { reasonOf, type Reason } from '../reason.ts'
import type { ScannedExchange } from './exchange.ts'

/** Rows, window, bursts and seed are those of an internalization. */
export interface HeadPlanSettings extends Omit<SplitSettings, 'judged'> {
  /** agreement that may be lost, 0 to 1 */
  margin: number
  /** least share of the traffic that a route must answer, 0 to 1 */
  minCoverage: number
  /** dimensions of the embeddings; 0 without an encoder */
  dims: number
  /** whether the prompt lists an answer */
  isListed?: IsListed
}

export interface HeadPlan {
  split: Split<ScannedExchange>
  /** null without an answer that has a type */
  responseType: ResponseType | null
  /** what the head can answer; null where the answers are no labels */
  labels: string[] | null
  /** what a field head can fill; null where the answers are labels or have no form */
  form: AnswerForm<ScannedExchange> | null
  /** why no head is tried; null where one is */
  obstacle: Obstacle | null
}

export interface Obstacle {
  reason: Reason
  /** exchanges that would remove it, about; null: more exchanges alone would not, or it is not known */
  missingExchanges: number | null
}

/** More exchanges alone would not remove it. */
const unhelped = (reason: Reason): Obstacle => ({ reason, missingExchanges: null })

/** A scan has no engine, so it does not know of loras. */
const NO_ENGINE = { hasLoras: false }

/** The gate's level over all its tests. */
const ALPHA = 0.05
/** Rows × dimensions × labels, to which the time of training is in proportion: some thirty seconds. */
const MAX_WORK = 1e8
/** A text of a few sentences has some hundred hashed words and n-grams, each worth more than a dimension. */
const HASHED_DIMS = 256
export const MAX_TRAIN_ROWS = 2_000
/** For a field head, which learns a few dozen rows a second and takes them several times. */
const MAX_FORM_ROWS = 1_500

/** That a head may take at least, however many labels there are. */
const LEAST_TRAIN_ROWS = 500

/** All that are there, within what a head can learn in a bounded time. */
const trainRowsWithin = (
  affordable: number,
  { length }: readonly ScannedExchange[],
  { trainRows, holdoutRows }: HeadPlanSettings
): number =>
  Math.min(trainRows, Math.max(LEAST_TRAIN_ROWS, Math.min(affordable, length - holdoutRows)))

/** Training rows for a head: it takes seconds. */
const trainRowsFor = (sample: readonly ScannedExchange[], settings: HeadPlanSettings): number => {
  const classes = new Set(textsOf(sample)).size
  const work = (settings.dims + HASHED_DIMS) * Math.max(2, classes)
  const affordable = Math.min(MAX_TRAIN_ROWS, Math.floor(MAX_WORK / work))
  return trainRowsWithin(affordable, sample, settings)
}

/** Exchanges of the log for each one to learn from: in a short log both parts of the split grow with it. */
const growthOf = (
  { train, traffic }: Split<ScannedExchange>,
  { holdoutRows }: HeadPlanSettings
): number =>
  traffic.length < holdoutRows ? (train.length + traffic.length) / Math.max(1, train.length) : 1

/** Of recurring answers that may be labels. @param learnable answers that are not held out */
const recurringObstacle = (learnable: readonly string[], missing: number): Obstacle => {
  const counts = { answers: learnable.length, values: new Set(learnable).size }
  return {
    reason: reasonOf('labels-not-shown', { ...counts, missing, ...NO_ENGINE }),
    missingExchanges: missing,
  }
}

const rowsObstacle = (
  { train, traffic, unseen }: Split<ScannedExchange>,
  { holdoutRows, margin }: HeadPlanSettings
): Obstacle | null => {
  const needed = minimumRows(margin, ALPHA)
  const rows = Math.min(traffic.length, unseen.length)
  if (rows >= needed) return null
  const code = traffic.length <= unseen.length ? 'too-few-held-out' : 'too-few-unseen'
  const isLogShort = traffic.length < holdoutRows
  return {
    reason: reasonOf(code, { rows, needed, margin }),
    // both parts of the split grow with the log
    missingExchanges:
      rows === 0 || !isLogShort
        ? null
        : Math.ceil((needed / rows - 1) * (train.length + traffic.length)),
  }
}

interface Answers {
  type: ResponseType
  /** answers that are not held out */
  learnable: string[]
  /** of the training rows */
  labels: string[] | null
  form: HeadPlan['form']
}

const answersObstacle = (
  { type, learnable, labels }: Answers,
  split: Split<ScannedExchange>,
  settings: HeadPlanSettings
): Obstacle | null => {
  const untilLabels = rowsUntilLabels(learnable, settings.isListed)
  const missing = untilLabels && Math.ceil(untilLabels * growthOf(split, settings))
  if (missing !== null && (type !== 'label' || labels === null))
    return recurringObstacle(learnable, missing)
  if (type !== 'label') return unhelped(reasonOf('no-estimate', { type }))
  if (labels === null) {
    const counts = { labels: new Set(learnable).size, exchanges: learnable.length }
    return unhelped(reasonOf('too-many-labels', counts))
  }
  if (labels.length < 2) return unhelped(reasonOf('one-label', NO_ENGINE))
  return rowsObstacle(split, settings)
}

export const NO_ENCODER = reasonOf('form-without-encoder', {})

const obstacleOf = (
  answers: Answers,
  split: Split<ScannedExchange>,
  settings: HeadPlanSettings
): Obstacle | null => {
  const fewTexts = fewTextAnswers(split.traffic, settings.minCoverage)
  if (fewTexts !== null) return unhelped(fewTexts)
  if (answers.form === null) return answersObstacle(answers, split, settings)
  return rowsObstacle(split, settings) ?? (settings.dims === 0 ? unhelped(NO_ENCODER) : null)
}

/** Answers that are not held out. */
const learnableOf = (
  sample: readonly ScannedExchange[],
  { traffic }: Split<ScannedExchange>
): string[] => {
  const heldOut = new Set(traffic)
  return textsOf(sample.filter((exchange) => !heldOut.has(exchange)))
}

/** The split that the head of these answers is tried on. */
const splitFor = (
  sample: readonly ScannedExchange[],
  settings: HeadPlanSettings
): Pick<HeadPlan, 'split' | 'form'> & { type: ResponseType } => {
  const splitAt = (trainRows: number) => splitPopulation(sample, { ...settings, trainRows })
  const split = splitAt(trainRowsFor(sample, settings))
  const learnable = learnableOf(sample, split)
  // of a handful of exchanges all may be held out
  const answers = learnable.length > 0 ? learnable : textsOf(sample)
  const type = detectResponseType(answers, settings.isListed)
  if (type === 'label') return { split, form: null, type }
  // a head for fields knows no classes
  const ofForm = splitAt(trainRowsWithin(MAX_FORM_ROWS, sample, settings))
  const form = findAnswerForm(ofForm.train)
  return { split: form === null ? split : ofForm, form, type }
}

/** @param unsupportedFormat why answers cannot be checked against the response format; null where they can */
export const planHead = (
  sample: readonly ScannedExchange[],
  unsupportedFormat: string | null,
  settings: HeadPlanSettings
): HeadPlan => {
  const { split, form, type } = splitFor(sample, settings)
  const refused = (reason: Reason, responseType: ResponseType | null): HeadPlan => ({
    responseType,
    split,
    labels: null,
    form: null,
    obstacle: unhelped(reason),
  })
  if (sample.length === 0) return refused(reasonOf('too-few-to-split', { exchanges: 0 }), null)
  if (textsOf(sample).length === 0)
    return refused(fewTextAnswers(sample, settings.minCoverage)!, null)
  if (unsupportedFormat !== null)
    return refused(reasonOf('unsupported-format', { message: unsupportedFormat }), type)
  const learnable = learnableOf(sample, split)
  const labels = type === 'label' ? knownLabels(textsOf(split.train), settings.isListed) : null
  const obstacle = obstacleOf({ type, learnable, labels, form }, split, settings)
  return { responseType: type, split, labels, form, obstacle }
}
