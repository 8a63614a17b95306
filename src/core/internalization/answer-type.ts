/** Of which type the answers of a template are, as its newest internalization found, and what terms that is under. */
import type { AnswerType, AppliedTerms, TrainingTerms } from '../terms/terms.ts'
import type { Internalization } from './internalization.ts'

const typeOf = ({ state, plan }: Internalization): AnswerType | null => {
  if (state.name === 'rejected' && state.unconsented !== undefined) return state.unconsented
  if (plan === null) return null
  return plan.form === undefined ? plan.answers.responseType : 'form'
}

/** One type of each kind: before a plan, the kind of the answers is not known. */
const EITHER: readonly AnswerType[] = ['label', 'short-text']

/**
 * What the terms say of training on a template's answers: of their kind, or of both where it is not known.
 * @param marked see `TrainingTerms.of`
 * @param rows its internalizations, oldest first
 */
export const termsOfTemplate = (
  terms: TrainingTerms,
  { model, marked }: { model: string; marked: ReadonlySet<string> },
  rows: readonly Internalization[]
): AppliedTerms[] => {
  const type = rows.map(typeOf).findLast((each) => each !== null) ?? null
  return (type === null ? EITHER : [type]).flatMap((each) => terms.of(model, each, marked))
}
