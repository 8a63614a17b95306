/**
 * Has the lora of the live route answer the held-out requests of its successor, for the comparison of what
 * both routes make of them. The answers are stored like those of an arm, behind the plan's own arms.
 */
import type { PresentFacts } from '../../core/proof/decision-facts.ts'
import { routedBy } from '../../core/gate/replacement.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import {
  armOfPresent,
  type InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import { routeOf } from '../../core/internalization/live-route.ts'
import { trafficShares } from '../../core/rollout/stages.ts'
import type { Template } from '../../core/template/template.ts'
import type { EvaluationRow, Store } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { asJudged } from '../../core/judge/verdict.ts'
import { judgeRows, judgingOf, type JudgeRowsDeps, type RowsToJudge } from '../judge/judge-rows.ts'
import { BUDGET_SPENT, answererOf, type Respondent } from '../answers/row-answers.ts'
import { rowsOfArm } from '../answers/rows-of-arm.ts'
import {
  BATCH_ROWS,
  comparedToday,
  newRow,
  storeAnswered,
  type EvaluateDeps,
  type EvaluationContext,
  type RowOwner,
} from './evaluate-row.ts'
import { exchangesByIds, type MatchedExchange } from '../exchanges/exchanges.ts'

/** The answers of an arm to held-out requests, requested and stored batch by batch. */
interface Asked extends EvaluateDeps, RowOwner {
  store: Store
}

/**
 * @param stored rows that the store has already, of all arms
 * @returns the rows of the arm by record id: stored ones, and those to the given exchanges
 * @throws AppError of what answers; then the answers that came are stored
 */
const answeredRows = async (
  asked: Asked,
  exchanges: readonly MatchedExchange[],
  stored: readonly EvaluationRow[]
): Promise<Map<string, EvaluationRow>> => {
  const { store, arm, plan } = asked
  const [known, firstRows] = [rowsOfArm(stored, arm), rowsOfArm(stored, 0)]
  const open = exchanges.filter(({ id }) => !known.has(id))
  for (let start = 0; start < open.length; start += BATCH_ROWS) {
    const rows = await storeAnswered(
      store,
      open.slice(start, start + BATCH_ROWS),
      async (exchange) =>
        comparedToday(plan, await newRow(asked, asked, exchange), firstRows.get(exchange.id))
    )
    for (const row of rows) known.set(row.recordId, row)
  }
  return known
}

/** The live route that the successor would replace; null when it is not live any more. */
const presentOf = async (
  { store, rollout }: WorkerDeps,
  template: Template,
  { successor, answers: { fields } }: InternalizationPlan
) => {
  if (successor === undefined) return null
  const row = await store.internalizations.get(successor.of)
  if (row?.state.name !== 'live' || row.plan === null) return null
  const route = routeOf(row, template, trafficShares(row.state.stage, rollout))
  // as the route stands now; its answers count as the successor's do
  const answers = { ...route.answers, fields }
  return {
    id: row.id,
    hasDrifted: successor.why === 'drifted',
    route,
    plan: { ...row.plan, kinds: route.kinds, answers },
  }
}

const mayBuy = ({ config, askUpstream, priceOf }: WorkerDeps, model: string): boolean =>
  config.proofUsd !== null && askUpstream !== null && priceOf(model) !== null

/** Where the live route's model may not be asked, the successor is judged by itself. */
const withoutPresent = ({ log }: WorkerDeps, { lora }: Respondent): null => {
  const message = `the successor is not compared with ${lora}: PROOF_USD does not allow it`
  log({ level: 'warn', message })
  return null
}

/** The rows as the judge of the successor sees them. @returns null where its money is spent */
const judgedPresent = async (
  deps: JudgeRowsDeps | null,
  answered: ReadonlyMap<string, EvaluationRow>,
  {
    exchanges,
    firstRows,
  }: Pick<RowsToJudge, 'firstRows'> & { exchanges: readonly MatchedExchange[] }
): Promise<ReadonlyMap<string, EvaluationRow> | null> => {
  if (deps === null) return answered
  const byId = new Map(exchanges.map((exchange) => [exchange.id, exchange]))
  const { rows, isPaid } = await judgeRows(deps, {
    compared: 'adapted',
    rows: [...answered.values()],
    firstRows,
    exchanges: byId,
  })
  return isPaid ? new Map(rows.map((row) => [row.recordId, asJudged(row)])) : null
}

export interface Present {
  facts: PresentFacts
  /** of the live route, as they were compared */
  answers: EvaluationRow[]
}

/**
 * What the live route makes of the successor's held-out traffic.
 * @param rows stored answers of the evaluation, of all arms and of the live route
 * @param verdict of the successor by itself
 * @returns null where there is no live route to replace, or nothing to replace it with
 * @throws AppError of the engine
 */
export const comparedPresent = async (
  context: EvaluationContext,
  rows: readonly EvaluationRow[],
  verdict: Verdict
): Promise<Present | null> => {
  const { deps, engine, pay, witness, formats, internalization, plan, template } = context
  if (verdict.verdict === 'reject') return null
  const present = await presentOf(deps, template, plan)
  if (present === null) return null
  const { id: presentId, hasDrifted, route } = present
  const exchanges = await exchangesByIds(deps.store, template, plan.holdoutRecordIds)
  if (route.model !== undefined && !mayBuy(deps, route.model.name))
    return withoutPresent(deps, route)
  const asked = {
    store: deps.store,
    formats,
    internalizationId: internalization.id,
    arm: armOfPresent(plan),
    plan: present.plan,
    answerer: answererOf({ ...deps, engine }, route, present.plan.answers, { pay }),
  }
  const answered = await judgedPresent(
    witness && judgingOf(deps, witness, context),
    await answeredRows(asked, exchanges, rows),
    { exchanges, firstRows: rowsOfArm(rows, 0) }
  )
  if (answered === null || [...answered.values()].some(({ deferred }) => deferred === BUDGET_SPENT))
    return withoutPresent(deps, route)
  const facts = {
    id: presentId,
    hasDrifted,
    rows: exchanges.map(({ id, at, conversation }) => ({
      record: id,
      present: routedBy(route, answered.get(id)),
      at,
      conversation,
    })),
  }
  return { facts, answers: [...answered.values()] }
}
