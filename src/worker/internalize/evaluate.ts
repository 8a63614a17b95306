/**
 * Sends the held-out requests to the last lora of each arm, or to its model, and compares the answers with the logged
 * outcomes. With an upstream key it buys two fresh answers to each, which tell what the upstream says today
 * and how far it agrees with itself. Each batch of answers is stored before the next is requested, so a crash
 * repeats at most one batch of paid calls.
 */
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { decideOn, type DecisionFacts } from '../../core/proof/decision-facts.ts'
import {
  winningFigures,
  type Arm,
  type Internalization,
  type InternalizationPlan,
  type ProvenVerdict,
} from '../../core/internalization/internalization.ts'
import type { JudgeFacts } from '../../core/judge/admission.ts'
import { isComparedByField, outcomesAgree } from '../../core/answer/agreement.ts'
import { textOf, type Outcome } from '../../core/answer/outcome.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { EvaluationRow } from '../../store/store.ts'
import { LANES } from '../answers/ask-model.ts'
import type { WorkerDeps } from '../deps.ts'
import { baselineOfVerdict } from './baseline.ts'
import { comparedPresent, type Present } from './compare-present.ts'
import { exchangesIn, factsOf, setsOf, type EvaluationSets, type Vouched } from './collect-facts.ts'
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
import { openProofBudget } from '../answers/proof-budget.ts'
import { answererOf, respondentOf } from '../answers/row-answers.ts'
import {
  judgeEvaluation,
  judgeOf,
  withVersionsOf,
  type Evaluation,
} from '../judge/judge-evaluation.ts'
import { checkEvaluation, checkerOf } from '../judge/check-evaluation.ts'
import type { Judge } from '../judge/judge.ts'
import { outcomeOfLogged, type MatchedExchange } from '../exchanges/exchanges.ts'
import {
  fieldFigures,
  type ComparedRow,
  type FieldFigures,
} from '../../core/answer/field-figures.ts'
import type { Verdict } from '../../core/gate/gate.ts'
import { confidenceOf } from '../../core/route/confidence.ts'

/**
 * Of both samples. Answers that no route would give are not compared.
 * @param rows as the judge sees them, where one compares
 * @returns null where answers are not compared by field
 */
const fieldsOfVerdict = (
  { answers }: Pick<InternalizationPlan, 'answers'>,
  verdict: Verdict,
  rows: readonly EvaluationRow[],
  heldOut: readonly MatchedExchange[]
): FieldFigures | null => {
  if (!isComparedByField(answers)) return null
  const { threshold, confidence: statistic } = winningFigures(verdict)
  const [byId, first] = [rowsOfArm(rows, verdict.arm), rowsOfArm(rows, 0)]
  const compared = heldOut.flatMap(({ id, outcome }): ComparedRow[] => {
    const [row, bought] = [byId.get(id), first.get(id)]
    if (row === undefined || row.deferred !== null) return []
    // an answer of today that is no text is stored as ''
    const upstream = bought?.fresh ? bought.upstreamAnswer || null : textOf(outcome)
    const isAnswered = threshold !== null && confidenceOf(statistic, row) >= threshold
    const agrees = row.agreesToday ?? row.agrees
    return [{ adapted: row.answer, upstream, agrees, isAnswered }]
  })
  return fieldFigures(answers, compared)
}

/** @returns the row with two fresh answers of the upstream; unchanged unless both are to be had */
const withUpstream = async (
  { deps, plan: { answers } }: EvaluationContext,
  row: EvaluationRow,
  exchange: MatchedExchange
): Promise<EvaluationRow> => {
  const [record] = await deps.store.records.byIds([exchange.id])
  if (record === undefined || deps.replayUpstream === null) return row
  const { replayUpstream } = deps
  const replay = async (): Promise<Outcome> =>
    outcomeOfLogged({ path: record.path, response: await replayUpstream(record) })
  const [first, second] = await Promise.all([replay(), replay()])
  if (first.kind === 'unreadable' || second.kind === 'unreadable') return row
  const asLogged = (outcome: Outcome): boolean => outcomesAgree(answers, outcome, exchange.outcome)
  return {
    ...row,
    upstreamAnswer: textOf(first) ?? '',
    secondAnswer: textOf(second) ?? '',
    fresh: {
      repeats: outcomesAgree(answers, first, second),
      asLogged: [asLogged(first), asLogged(second)],
    },
  }
}

/** What answers for one arm, and who the rows belong to. */
type ArmContext = EvaluationContext & EvaluateDeps & RowOwner

/** @param firstRows of the first arm, which have the fresh answers; empty for that arm itself */
const evaluateBatch = (
  context: ArmContext,
  batch: MatchedExchange[],
  firstRows: ReadonlyMap<string, EvaluationRow>,
  isReplayed: (exchange: MatchedExchange, index: number) => boolean
): Promise<EvaluationRow[]> => {
  const { plan, deps } = context
  return storeAnswered(deps.store, batch, async (exchange, index) => {
    const row = await newRow(context, context, exchange)
    if (!isReplayed(exchange, index)) return comparedToday(plan, row, firstRows.get(exchange.id))
    const asked = await withUpstream(context, row, exchange)
    return comparedToday(plan, asked, asked)
  })
}

/** A verdict, and what it was made from. */
export interface Evaluated {
  verdict: ProvenVerdict
  facts: DecisionFacts
}

interface WitnessedEvaluation extends Vouched {
  rows: readonly EvaluationRow[]
}

const withPresent = (
  facts: DecisionFacts,
  judge: JudgeFacts | null,
  { facts: present, answers }: Present
): DecisionFacts => {
  const seen = withVersionsOf(judge, answers)
  return { ...facts, ...(seen !== null && { judge: seen }), present }
}

/** The verdict with what the live route makes of the held-out requests, where there is one to replace. */
const decided = async (
  context: EvaluationContext,
  { rows, ...vouched }: WitnessedEvaluation,
  sets: EvaluationSets
): Promise<Evaluated> => {
  const { deps, plan } = context
  const facts = factsOf(plan, deps.config, rows, { ...sets, ...vouched })
  const verdict = decideOn(facts)
  const baseline = baselineOfVerdict(plan, verdict, rows, sets.heldOut)
  const fields = fieldsOfVerdict(plan, verdict, rows, sets.heldOut)
  const present = await comparedPresent(context, rows, verdict)
  const last = present === null ? facts : withPresent(facts, vouched.judge, present)
  const compared = present === null ? verdict : decideOn(last)
  return {
    verdict: { ...compared, ...(baseline && { baseline }), ...(fields && { fields }) },
    facts: last,
  }
}

/** How long an evaluation waits for a model that has no room: others wait for it. */
const PATIENCE_MS = 3_600_000

/** Answers and stores the rows that an arm has not answered yet. @param done of all arms, which get them */
const evaluateArm = async (
  context: EvaluationContext,
  [arm, evaluated]: [number, Arm],
  { heldOut, validation }: EvaluationSets,
  done: EvaluationRow[]
): Promise<void> => {
  const { deps, plan, internalization } = context
  const answered = rowsOfArm(done, arm)
  const firstRows = rowsOfArm(done, 0)
  const open = [...heldOut, ...validation].filter(({ id }) => !answered.has(id))
  const isHeldOut = new Set(heldOut)
  const own: ArmContext = {
    ...context,
    internalizationId: internalization.id,
    arm,
    answerer: answererOf(
      { ...deps, engine: context.engine },
      respondentOf(evaluated),
      plan.answers,
      { pay: context.pay, patientUntil: internalization.updatedAt + PATIENCE_MS }
    ),
  }
  const batchRows = evaluated.model === undefined ? BATCH_ROWS : LANES
  for (let start = 0; start < open.length; start += batchRows) {
    const bought = done.filter(({ fresh }) => fresh !== null).length
    const replays = arm === 0 ? (deps.config.upstreamReplays ?? Infinity) - bought : 0
    const batch = open.slice(start, start + batchRows)
    const rows = await evaluateBatch(
      own,
      batch,
      firstRows,
      (exchange, index) => index < replays && isHeldOut.has(exchange)
    )
    done.push(...rows)
  }
}

/** The rows as a judge or a checker sees them; as they are where neither is planned. */
const witnessed = async (
  deps: WorkerDeps,
  { judge, checker }: { judge: Judge | null; checker: ReturnType<typeof checkerOf> },
  evaluation: Evaluation
): Promise<WitnessedEvaluation> => {
  const { checker: planned } = evaluation.plan
  if (planned === undefined || checker === null)
    return { ...(await judgeEvaluation(deps, judge, evaluation)), checker: null }
  return { ...(await checkEvaluation(deps, checker, planned, evaluation)), judge: null }
}

/**
 * @returns the verdict over all arms; resumes an interrupted evaluation
 * @throws AppError of the engine, and `upstream-unavailable` where another model or the judge does not answer for the
 * moment
 */
export const evaluate = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  plan: InternalizationPlan,
  template: Template
): Promise<Evaluated> => {
  const formats = createAnswerFormats()
  const { id } = internalization
  const { models: pay, judge: judgePay } = await openProofBudget(
    deps.store,
    id,
    deps.config.proofUsd
  )
  const judge = judgeOf(deps, plan, judgePay)
  const checker = checkerOf(deps, plan)
  const witness = judge ?? (checker !== null && 'code' in checker ? null : checker)
  const context = { deps, engine, formats, pay, witness, internalization, plan, template }
  const sets = await setsOf(deps.store, plan, template)
  const done = await deps.store.internalizations.evaluations(id)
  for (const arm of plan.arms.entries()) await evaluateArm(context, arm, sets, done)
  const exchanges = exchangesIn(sets)
  const evaluation = { internalization, plan, rows: done, exchanges }
  return decided(context, await witnessed(deps, { judge, checker }, evaluation), sets)
}
