/** Held-out exchanges with both answers side by side, for the person who decides. */
import { heldOutIds, type Internalization } from '../core/internalization/internalization.ts'
import { textOf } from '../core/answer/outcome.ts'
import { confidenceOf } from '../core/route/route.ts'
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
  /** with the upstream's answer of today, or with the logged one where none was bought */
  agrees: boolean
  /** of the two answers, 0 to 1, to look at */
  similarity: number
  /** natural logarithm of a probability, by the statistic of the arm */
  confidence: number
  /** null when no threshold passed the gate */
  isAboveThreshold: boolean | null
  freshUpstreamAnswer: string | null
}

/** A held-out answer as the gate judges it, without the texts of the log. */
export interface HeldOutAnswer {
  row: EvaluationRow
  /** natural logarithm of a probability, by the statistic of the arm */
  confidence: number
  /** the lora's answer with the upstream's of today, or with the logged one where none was bought */
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
  const { confidence: statistic = 'sum', threshold = null } = verdict?.arms[arm] ?? {}
  const heldOut = new Set(heldOutIds(plan))
  const rows = (await internalizations.evaluations(id, arm)).filter(({ recordId }) =>
    heldOut.has(recordId)
  )
  return rows.map((row) => {
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

/** Adds the texts of the log. */
export const examplesFor = async (
  store: Store,
  { templateVersion }: Internalization,
  answers: readonly HeldOutAnswer[]
): Promise<HeldOutExample[]> => {
  const recordIds = answers.map(({ row }) => row.recordId)
  const texts = await readLoggedTexts(store, templateVersion, recordIds)
  return answers.map(({ row, confidence, agrees, isAboveThreshold }) => {
    const { query, outcome } = texts.get(row.recordId) ?? NO_LOGGED_TEXT
    return {
      recordId: row.recordId,
      query,
      outcome: outcome?.kind ?? null,
      promptedAnswer: outcome && textOf(outcome),
      adaptedAnswer: row.answer,
      deferred: row.deferred,
      agrees,
      similarity: row.similarity,
      confidence,
      isAboveThreshold,
      freshUpstreamAnswer: row.upstreamAnswer,
    }
  })
}

/** Mistakes that a route could give, then those that it defers, then the others. */
const dangerOf = ({ agrees, row }: HeldOutAnswer): number =>
  agrees ? 0 : row.deferred === null ? 2 : 1

/** Mistakes first, and of those the most confident ones. @param options.arm as for `heldOutAnswers` */
export const examplesOf = async (
  store: Store,
  internalization: Internalization,
  { limit, arm }: { limit: number; arm?: number | undefined }
): Promise<HeldOutExample[]> => {
  const answers = await heldOutAnswers(store, internalization, arm)
  const first = answers
    .toSorted((a, b) => dangerOf(b) - dangerOf(a) || b.confidence - a.confidence)
    .slice(0, limit)
  return examplesFor(store, internalization, first)
}
