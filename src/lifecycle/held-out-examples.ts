/** Held-out exchanges with both answers side by side, for the person who decides. */
import { heldOutIds, type Internalization } from '../core/lifecycle/internalization.ts'
import { compileMatcher, templateKeyOf, type Matcher } from '../core/match/match.ts'
import { outcomeOf, textOf, type Outcome } from '../core/answer/outcome.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { confidenceOf, type ConfidenceStatistic } from '../core/route/route.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { EvaluationRow, Store } from '../store/store.ts'

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

const parse = <T>(text: string | null): T | null => {
  if (text === null || text === '') return null
  try {
    return JSON.parse(text) as T
  } catch {
    // the body was not JSON when it was logged
    return null
  }
}

const queryOf = (matcher: Matcher | null, record: StoredRecord): string | null => {
  const request = parse<ChatRequest>(record.request)
  if (request === null || matcher === null) return null
  return matcher.match(templateKeyOf(request, record.tenant), request.messages)?.query ?? null
}

const byConfidence =
  (statistic: ConfidenceStatistic) =>
  (a: EvaluationRow, b: EvaluationRow): number =>
    confidenceOf(statistic, b) - confidenceOf(statistic, a)

/** @param said query and logged outcome of the row's record; null when the record was deleted */
const exampleOf = (
  row: EvaluationRow,
  said: { query: string | null; outcome: Outcome | null },
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
  const template = await store.templates.get(templateVersion)
  const matcher = template === null ? null : compileMatcher([template])
  const records = await store.records.byIds(rows.map(({ recordId }) => recordId))
  const byId = new Map(records.map((record) => [record.id, record]))
  return rows.map((row) => {
    const record = byId.get(row.recordId)
    const said =
      record === undefined
        ? { query: null, outcome: null }
        : { query: queryOf(matcher, record), outcome: outcomeOf(parse(record.response)) }
    return exampleOf(row, said, rule)
  })
}
