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
  armOfPresent,
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
import { answeredRows } from './answered-rows.ts'
import { exchangesByIds } from '../exchanges/exchanges.ts'

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
  const { deps, engine, formats, plan, template, rows } = comparison
  const { store } = deps
  const exchanges = await exchangesByIds(store, template, plan.holdoutRecordIds)
  const asked = {
    store,
    engine,
    formats,
    internalizationId: comparison.internalization.id,
    arm: armOfPresent(plan),
    plan: present.plan!,
    lora: winningLora(present)!,
  }
  const ofPresent = await answeredRows(asked, exchanges, rows)
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
