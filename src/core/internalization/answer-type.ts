/** Of which type the answers of a template are, as its newest internalization found, and what terms that is under. */
import { writtenRules } from '../answer/field-rules.ts'
import type { Comparison } from '../answer/agreement.ts'
import type { AnswerType, AppliedTerms, TrainingTerms } from '../terms/terms.ts'
import { reasonOf, type ReasonOf } from '../reason.ts'
import type { Internalization } from './internalization.ts'
import { type NonEmpty } from '../lists.ts'

/** A form with a written field is more than a form: a person has said that it is no choice and no copy. */
export const answerTypeOf = (
  { responseType, fields }: Pick<Comparison, 'responseType' | 'fields'>,
  hasForm: boolean
): AnswerType => (hasForm && writtenRules(fields).length === 0 ? 'form' : responseType)

/** Of a rejection that the operator's consent would end. @returns null for any other state */
export const unconsentedType = (state: Internalization['state']): AnswerType | null => {
  if (state.name !== 'rejected') return null
  const { code, figures } = state.reason
  const reasons = code === 'no-arm-left' ? figures.reasons : [state.reason]
  const needed = reasons.find((reason) => reason.code === 'consent-needed')
  return needed?.figures.type ?? null
}

const typeOf = ({ state, plan }: Internalization): AnswerType | null => {
  const unconsented = unconsentedType(state)
  if (unconsented !== null) return unconsented
  if (plan === null) return null
  return answerTypeOf(plan.answers, plan.form !== undefined)
}

/** One type of each kind: before a plan, the kind of the answers is not known. */
const EITHER: NonEmpty<AnswerType> = ['label', 'short-text']

/** @param rows internalizations of a template, oldest first */
const typesOf = (rows: readonly Internalization[]): NonEmpty<AnswerType> => {
  const type = rows.map(typeOf).findLast((each) => each !== null) ?? null
  return type === null ? EITHER : [type]
}

/** Why no model may be trained on such answers of another model; null: one may be. */
export const whyUntrained = (
  terms: TrainingTerms,
  model: string,
  rows: readonly Internalization[]
): ReasonOf<'consent-needed'> | null => {
  const refusals = typesOf(rows).map((type) => terms.whyNot(model, type))
  const [first = null] = refusals
  return first === null || refusals.includes(null) ? null : reasonOf('consent-needed', first)
}

/**
 * What the terms say of training on a template's answers: of their kind, or of both where it is not known.
 * @param rows its internalizations, oldest first
 */
export const termsOfTemplate = (
  terms: TrainingTerms,
  model: string,
  rows: readonly Internalization[]
): AppliedTerms[] => typesOf(rows).flatMap((type) => terms.of(model, type))
