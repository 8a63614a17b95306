/** Held-out exchanges with both answers side by side, for the person who decides. */
import { heldOutIds, type Internalization } from '../core/lifecycle/internalization.ts'
import { textOf } from '../core/answer/outcome.ts'
import { confidenceOf, type ConfidenceStatistic } from '../core/route/route.ts'
import type { EvaluationRow, Store } from '../store/store.ts'
import { NOTHING_SAID, readSaid, type Said } from './said.ts'

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
  /** of the two answers, 0 to 1 */
  similarity: number
  /** natural logarithm of a probability, by the statistic of the arm */
  confidence: number
  /** null when no threshold passed the gate */
  isAboveThreshold: boolean | null
  freshUpstreamAnswer: string | null
}

const byConfidence =
  (statistic: ConfidenceStatistic) =>
  (a: EvaluationRow, b: EvaluationRow): number =>
    confidenceOf(statistic, b) - confidenceOf(statistic, a)

const exampleOf = (
  row: EvaluationRow,
  said: Said,
  rule: { confidence: ConfidenceStatistic; threshold: number | null }
): HeldOutExample => {
  const confidence = confidenceOf(rule.confidence, row)
  return {
    recordId: row.recordId,
    query: said.query,
    outcome: said.outcome?.kind ?? null,
    promptedAnswer: said.outcome && textOf(said.outcome),
    adaptedAnswer: row.answer,
    deferred: row.deferred,
    similarity: row.similarity,
    confidence,
    isAboveThreshold:
      rule.threshold === null ? null : row.deferred === null && confidence >= rule.threshold,
    freshUpstreamAnswer: row.upstreamAnswer,
  }
}

/** @param options.arm index into the plan; by default the winner of the verdict, or the first arm */
export const examplesOf = async (
  store: Store,
  { id, plan, verdict, templateVersion }: Internalization,
  options: { limit: number; arm?: number | undefined }
): Promise<HeldOutExample[]> => {
  const arm = options.arm ?? verdict?.arm ?? 0
  const figures = verdict?.arms[arm]
  const rule = {
    confidence: figures?.confidence ?? ('sum' as const),
    threshold: figures?.threshold ?? null,
  }
  const heldOut = new Set(plan === null ? [] : heldOutIds(plan))
  const rows = (await store.internalizations.evaluations(id))
    .filter((row) => row.arm === arm && heldOut.has(row.recordId))
    .sort(byConfidence(rule.confidence))
    .slice(0, options.limit)
  const recordIds = rows.map(({ recordId }) => recordId)
  const said = await readSaid(store, templateVersion, recordIds)
  return rows.map((row) => exampleOf(row, said.get(row.recordId) ?? NOTHING_SAID, rule))
}
