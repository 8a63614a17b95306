/**
 * Sends the held-out requests to the last lora of each arm and compares the answers with the logged
 * outcomes. With an upstream key it also measures how far the upstream agrees with itself. Each batch
 * of answers is stored before the next is requested, so a crash repeats at most one batch of paid calls.
 */
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { decideOn, type DecisionFacts } from '../../core/evidence/decision-facts.ts'
import {
  heldOutIds,
  validationCount,
  type Internalization,
  type InternalizationPlan,
  type ProvenVerdict,
} from '../../core/lifecycle/internalization.ts'
import { textOf } from '../../core/answer/outcome.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { baselineOfVerdict } from './baseline.ts'
import { comparedPresent } from './compare-present.ts'
import { factsOf, type EvaluationSets } from './decision-facts.ts'
import { BATCH_ROWS, evaluateRow, outcomeSimilarity, type EvaluateDeps } from './evaluate-row.ts'
import { exchangesByIds, outcomeOfLogged, type MatchedExchange } from '../exchanges/exchanges.ts'

interface EvaluationContext extends EvaluateDeps {
  deps: WorkerDeps
  internalization: Internalization
  plan: InternalizationPlan
  template: Template
}

/** @returns the row with a fresh answer of the upstream; unchanged without a usable answer */
const withUpstream = async (
  { deps, plan }: EvaluationContext,
  row: EvaluationRow,
  exchange: MatchedExchange
): Promise<EvaluationRow> => {
  const [record] = await deps.store.records.byIds([exchange.id])
  if (record === undefined || deps.replayUpstream === null) return row
  const response = await deps.replayUpstream(record)
  if (response === null) return row
  const outcome = outcomeOfLogged({ path: record.path, response })
  return {
    ...row,
    upstreamAnswer: textOf(outcome) ?? '',
    upstreamSimilarity: outcomeSimilarity(plan, outcome, exchange.outcome),
  }
}

const evaluateBatch = (
  context: EvaluationContext,
  arm: number,
  batch: MatchedExchange[],
  isReplayed: (exchange: MatchedExchange, index: number) => boolean
): Promise<EvaluationRow[]> => {
  const { plan, internalization } = context
  const lora = plan.arms[arm]!.results.at(-1)!.lora
  return Promise.all(
    batch.map(async (exchange, index) => {
      const row: EvaluationRow = {
        internalizationId: internalization.id,
        arm,
        recordId: exchange.id,
        ...(await evaluateRow(context, plan, lora, exchange)),
        upstreamAnswer: null,
        upstreamSimilarity: null,
      }
      return isReplayed(exchange, index) ? withUpstream(context, row, exchange) : row
    })
  )
}

const setsOf = async (
  { store }: WorkerDeps,
  plan: InternalizationPlan,
  template: Template
): Promise<EvaluationSets> => {
  const validation = plan.trainRecordIds.slice(
    plan.trainRecordIds.length - validationCount(plan.trainRecordIds.length)
  )
  return {
    validation: await exchangesByIds(store, template, validation),
    heldOut: await exchangesByIds(store, template, heldOutIds(plan)),
  }
}

/** A verdict, and what it was made from. */
export interface Evaluated {
  verdict: ProvenVerdict
  facts: DecisionFacts
}

/** The verdict with what the live route makes of the held-out requests, where there is one to replace. */
const decided = async (
  context: EvaluationContext,
  rows: readonly EvaluationRow[],
  sets: EvaluationSets
): Promise<Evaluated> => {
  const { deps, plan } = context
  const facts = factsOf(plan, deps.config, rows, sets)
  const verdict = decideOn(facts)
  const baseline = baselineOfVerdict(plan, verdict, rows, sets.heldOut)
  const present = await comparedPresent({ ...context, rows }, verdict)
  const compared = present === null ? verdict : decideOn({ ...facts, present })
  return {
    verdict: { ...compared, ...(baseline && { baseline }) },
    facts: { ...facts, present },
  }
}

/** @returns the verdict over all arms; resumes an interrupted evaluation */
export const evaluate = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  plan: InternalizationPlan,
  template: Template
): Promise<Evaluated> => {
  const formats = createAnswerFormats()
  const context = { deps, engine, formats, internalization, plan, template }
  const sets = await setsOf(deps, plan, template)
  const done = await deps.store.internalizations.evaluations(internalization.id)
  const doneKeys = new Set(done.map((row) => `${row.arm}/${row.recordId}`))
  const heldOut = new Set(sets.heldOut)
  const all = [...sets.heldOut, ...sets.validation]
  for (let arm = 0; arm < plan.arms.length; arm++) {
    const open = all.filter(({ id }) => !doneKeys.has(`${arm}/${id}`))
    for (let start = 0; start < open.length; start += BATCH_ROWS) {
      const bought = done.filter((row) => row.upstreamSimilarity !== null).length
      const replays = arm === 0 ? deps.config.upstreamReplays - bought : 0
      const batch = open.slice(start, start + BATCH_ROWS)
      const rows = await evaluateBatch(
        context,
        arm,
        batch,
        (exchange, index) => index < replays && heldOut.has(exchange)
      )
      await deps.store.internalizations.addEvaluations(rows)
      done.push(...rows)
    }
  }
  return decided(context, done, sets)
}
