/**
 * Has the lora of the live route answer the held-out requests of its successor, and compares what both
 * routes make of them. The answers are stored like those of an arm, behind the plan's own arms.
 */
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { agreementCut } from '../../core/answer/score.ts'
import {
  compareRoutes,
  replacementObjection,
  type ReplacementFigures,
  type Routed,
} from '../../core/gate/replacement.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import {
  isCurrentPlan,
  winningLora,
  type Internalization,
  type InternalizationPlan,
} from '../../core/lifecycle/internalization.ts'
import { confidenceOf } from '../../core/route/route.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { BATCH_ROWS, evaluateRow } from './evaluate-row.ts'
import { exchangesByIds, type MatchedExchange } from './exchanges.ts'

interface Comparison {
  deps: WorkerDeps
  engine: Engine
  formats: AnswerFormats
  internalization: Internalization
  plan: InternalizationPlan
  template: Template
  /** stored answers of the evaluation, of all arms and of the live route */
  rows: readonly EvaluationRow[]
}

/** The live internalization that the successor would replace; null when it is not live any more. */
const presentOf = async ({ store }: WorkerDeps, { successor }: InternalizationPlan) => {
  const present = successor === undefined ? null : await store.internalizations.get(successor.of)
  const isLive = present?.state.name === 'live' && isCurrentPlan(present.plan)
  return isLive ? present : null
}

/** Answers that are not stored yet are requested and stored, batch by batch. */
const presentRows = async (
  { deps, engine, formats, internalization, plan, rows: stored }: Comparison,
  present: Internalization,
  exchanges: MatchedExchange[]
): Promise<Map<string, EvaluationRow>> => {
  const { store } = deps
  const arm = plan.arms.length
  const known = new Map(stored.filter((row) => row.arm === arm).map((row) => [row.recordId, row]))
  const open = exchanges.filter(({ id }) => !known.has(id))
  const lora = winningLora(present)!
  for (let start = 0; start < open.length; start += BATCH_ROWS) {
    const rows = await Promise.all(
      open.slice(start, start + BATCH_ROWS).map(async (exchange): Promise<EvaluationRow> => ({
        internalizationId: internalization.id,
        arm,
        recordId: exchange.id,
        ...(await evaluateRow({ engine, formats }, present.plan!, lora, exchange)),
        upstreamAnswer: null,
        upstreamSimilarity: null,
      }))
    )
    await store.internalizations.addEvaluations(rows)
    for (const row of rows) known.set(row.recordId, row)
  }
  return known
}

/** What a route with the arm and threshold of a verdict makes of a row. */
const routedBy = (verdict: Verdict, row: EvaluationRow | undefined): Routed => {
  const { confidence, threshold } = verdict.arms[verdict.arm]!
  if (row === undefined || row.deferred !== null || threshold === null) return 'upstream'
  if (!(confidenceOf(confidence, row) >= threshold)) return 'upstream'
  return row.similarity >= agreementCut(verdict.responseType) ? 'right' : 'wrong'
}

const compare = async (
  comparison: Comparison,
  present: Internalization,
  verdict: Verdict
): Promise<ReplacementFigures> => {
  const { deps, plan, template, rows } = comparison
  const exchanges = await exchangesByIds(deps.store, template, plan.holdoutRecordIds)
  const ofPresent = await presentRows(comparison, present, exchanges)
  const ofSuccessor = new Map(
    rows.filter((row) => row.arm === verdict.arm).map((row) => [row.recordId, row])
  )
  return compareRoutes(
    exchanges.map(({ id, conversation }) => ({
      present: routedBy(present.verdict!, ofPresent.get(id)),
      successor: routedBy(verdict, ofSuccessor.get(id)),
      conversation,
    }))
  )
}

/**
 * @param verdict of the successor by itself
 * @returns the verdict with the comparison, which may turn it into a rejection; unchanged where there is no
 * live route to replace
 * @throws AppError of the engine
 */
export const comparedWithPresent = async (
  comparison: Comparison,
  verdict: Verdict
): Promise<Verdict> => {
  if (verdict.verdict === 'reject') return verdict
  const { deps, plan } = comparison
  const present = await presentOf(deps, plan)
  if (present === null) return verdict
  const replacement = await compare(comparison, present, verdict)
  const hasDrifted = plan.successor!.why === 'drifted'
  const objection = replacementObjection(replacement, { margin: verdict.margin, hasDrifted })
  if (objection === null) return { ...verdict, replacement }
  return { ...verdict, replacement, verdict: 'reject', reason: objection }
}
