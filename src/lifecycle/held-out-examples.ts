/** Held-out exchanges with both answers side by side, for the person who decides. */
import { heldOutIds, type Internalization } from '../core/internalization/internalization.ts'
import { isComparedByField } from '../core/answer/agreement.ts'
import { fieldsApart } from '../core/answer/field-figures.ts'
import { textOf } from '../core/answer/outcome.ts'
import { asJudged } from '../core/judge/verdict.ts'
import { confidenceOf } from '../core/route/confidence.ts'
import type { EvaluationRow, Store } from '../store/store.ts'
import { NO_LOGGED_TEXT, readLoggedTexts } from './logged-texts.ts'

export interface HeldOutExample {
  recordId: string
  /** null after the record was deleted */
  query: string | null
  /** kind of the upstream's answer: text, tool-calls, refusal, … */
  outcome: string | null
  /** the upstream's answer, from the log */
  promptedAnswer: string | null
  /** '' if the lora was not asked */
  adaptedAnswer: string
  /** why a route defers at any confidence; null when it may give the answer */
  deferred: string | null
  /** with the upstream's answer of today, or with the logged one where none was bought; as a judge says, where one does */
  agrees: boolean
  /** natural logarithm of a probability, by the statistic of the arm */
  confidence: number
  /** null when no threshold passed the gate */
  isAboveThreshold: boolean | null
  freshUpstreamAnswer: string | null
  /**
   * paths of the fields of JSON in which it disagrees; none where it agrees, is never given, or has no text to
   * compare with
   */
  fieldsApart: string[]
}

/** A held-out answer as the gate judges it, without the texts of the log. */
export interface HeldOutAnswer {
  row: EvaluationRow
  /** natural logarithm of a probability, by the statistic of the arm */
  confidence: number
  /**
   * the lora's answer with the upstream's of today, or with the logged one where none was bought; as a judge says,
   * where one does
   */
  agrees: boolean
  /** null when no threshold passed the gate */
  isAboveThreshold: boolean | null
}

/**
 * All held-out answers of one arm, by record id.
 * @param arm index into the plan; by default the winner of the verdict, or the first arm
 */
export const heldOutAnswers = async (
  { internalizations }: Pick<Store, 'internalizations'>,
  { id, plan, verdict }: Internalization,
  arm = verdict?.arm ?? 0
): Promise<HeldOutAnswer[]> => {
  if (plan === null) return []
  const figures = verdict?.arms[arm]
  const { confidence: statistic = 'sum', threshold = null } = figures ?? {}
  const heldOut = new Set(heldOutIds(plan))
  const rows = (await internalizations.evaluations(id, arm)).filter(({ recordId }) =>
    heldOut.has(recordId)
  )
  return rows.map((found) => {
    const row = found.judged?.adapted ? asJudged(found) : found
    const confidence = confidenceOf(statistic, row)
    return {
      row,
      confidence,
      agrees: row.agreesToday ?? row.agrees,
      isAboveThreshold:
        threshold === null ? null : row.deferred === null && confidence >= threshold,
    }
  })
}

/** Worked out when it is shown: names of fields may be text of an answer, and are kept no longer than that. */
const fieldsApartOf = (
  plan: Internalization['plan'],
  { row, agrees }: HeldOutAnswer,
  logged: string | null
): string[] => {
  const upstream = row.upstreamAnswer ?? logged
  if (plan === null || agrees || row.deferred !== null || row.answer === '' || !upstream) return []
  return isComparedByField(plan.answers) ? fieldsApart(plan.answers, row.answer, upstream) : []
}

/** Adds the texts of the log. */
export const examplesFor = async (
  store: Store,
  { templateVersion, plan }: Internalization,
  answers: readonly HeldOutAnswer[]
): Promise<HeldOutExample[]> => {
  const recordIds = answers.map(({ row }) => row.recordId)
  const texts = await readLoggedTexts(store, templateVersion, recordIds)
  return answers.map((answer) => {
    const { row, confidence, agrees, isAboveThreshold } = answer
    const { query, outcome } = texts.get(row.recordId) ?? NO_LOGGED_TEXT
    const promptedAnswer = outcome && textOf(outcome)
    return {
      recordId: row.recordId,
      query,
      outcome: outcome?.kind ?? null,
      promptedAnswer,
      adaptedAnswer: row.answer,
      deferred: row.deferred,
      agrees,
      confidence,
      isAboveThreshold,
      freshUpstreamAnswer: row.upstreamAnswer,
      fieldsApart: fieldsApartOf(plan, answer, promptedAnswer),
    }
  })
}

/** Mistakes that a route could give, then those that it defers, then the others. */
const dangerOf = ({ agrees, row }: HeldOutAnswer): number =>
  agrees ? 0 : row.deferred === null ? 2 : 1

const READ_AT_ONCE = 100

/**
 * Mistakes first, and of those the most confident ones.
 * @param options.arm as for `heldOutAnswers` @param options.field path: only answers that disagree in it
 */
export const examplesOf = async (
  store: Store,
  internalization: Internalization,
  { limit, arm, field }: { limit: number; arm?: number | undefined; field?: string | undefined }
): Promise<HeldOutExample[]> => {
  const answers = await heldOutAnswers(store, internalization, arm)
  const sorted = answers.toSorted(
    (a, b) => dangerOf(b) - dangerOf(a) || b.confidence - a.confidence
  )
  if (field === undefined) return examplesFor(store, internalization, sorted.slice(0, limit))
  const mistakes = sorted.filter(({ agrees }) => !agrees)
  const found: HeldOutExample[] = []
  for (let at = 0; at < mistakes.length && found.length < limit; at += READ_AT_ONCE) {
    const read = await examplesFor(store, internalization, mistakes.slice(at, at + READ_AT_ONCE))
    found.push(...read.filter(({ fieldsApart: paths }) => paths.includes(field)))
  }
  return found.slice(0, limit)
}
