/** A judge's part of an evaluation: the upstream's answers, its admission, the arms' answers. */
import type {
  Internalization,
  InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import { rubricDigest } from '../../core/judge/judge-prompt.ts'
import { judgeObjection, type JudgeFacts } from '../../core/judge/judge-facts.ts'
import { asJudged } from '../../core/judge/judged-row.ts'
import { dollars } from '../../core/cost/economics.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { rowsOfArm } from '../answers/rows-of-arm.ts'
import { openJudgeBudget } from '../answers/proof-budget.ts'
import { admitJudge } from './admit-judge.ts'
import { openJudge, type Judge } from './judge.ts'
import { judgeRows, reportJudged } from './judge-rows.ts'

/** @throws AppError `invalid-config` */
export const judgeOf = async (
  deps: WorkerDeps,
  { id }: Pick<Internalization, 'id'>,
  { judge: planned }: InternalizationPlan
): Promise<Judge | null> => {
  if (planned === undefined || deps.judge === null) return null
  return openJudge(deps, deps.judge, await openJudgeBudget(deps.store, id, deps.judge.usd))
}

/** Why the judge that is set is not the one of the plan; null: it is. */
export const otherJudge = (
  { judge: set }: Pick<WorkerDeps, 'judge'>,
  { judge: planned }: InternalizationPlan
): string | null => {
  if (planned === undefined) return null
  if (set === null)
    return `the answers were to be compared by ${planned.model}, and JUDGE_MODEL is not set now`
  if (set.model !== planned.model)
    return `the answers were to be compared by ${planned.model}, and JUDGE_MODEL is ${set.model} now`
  return rubricDigest(set.rubric) === planned.rubricDigest
    ? null
    : `the text of the rubric ${planned.rubric} has changed since the plan`
}

export interface JudgedEvaluation {
  rows: readonly EvaluationRow[]
  /** null: equality decides */
  judge: JudgeFacts | null
}

interface Evaluation {
  internalization: Internalization
  plan: InternalizationPlan
  rows: readonly EvaluationRow[]
  exchanges: ReadonlyMap<string, MatchedExchange>
}

/**
 * The rows as the judge sees them. The arms' answers are compared only by a judge that is admitted.
 * @throws AppError `upstream-unavailable` where it does not answer for the moment
 */
export const judgeEvaluation = async (
  deps: WorkerDeps,
  judge: Judge | null,
  { internalization, plan, rows, exchanges }: Evaluation
): Promise<JudgedEvaluation> => {
  if (plan.judge === undefined) return { rows, judge: null }
  const judgedPlan = { ...plan, judge: plan.judge }
  const withHindrance = (
    admission: JudgeFacts['admission'],
    hindrance: string | null
  ): JudgedEvaluation => ({
    rows: rows.map(asJudged),
    judge: { admission, hindrance },
  })
  const other = otherJudge(deps, plan)
  if (judge === null || other !== null) return withHindrance(null, other)
  const spent = `JUDGE_USD=${dollars(deps.judge?.usd ?? 0)} was spent before all answers were compared`
  const asked = {
    judge,
    store: deps.store,
    comparison: plan.answers,
    report: reportJudged(deps, internalization.id),
  }
  const armRows = (arm: number) => [...rowsOfArm(rows, arm).values()]
  const none = new Map<string, EvaluationRow>()
  const first = await judgeRows(asked, {
    compared: 'second',
    rows: armRows(0),
    firstRows: none,
    exchanges,
  })
  if (!first.isPaid) return withHindrance(null, spent)
  const admission = await admitJudge(asked, internalization, judgedPlan, first.rows, exchanges)
  if (admission === null) return withHindrance(null, spent)
  if (judgeObjection({ admission, hindrance: null }) !== null) return withHindrance(admission, null)
  const firstRows = new Map(first.rows.map((row) => [row.recordId, row]))
  const all: EvaluationRow[] = []
  for (let arm = 0; arm < plan.arms.length; arm++) {
    const own = { compared: 'adapted' as const, firstRows, exchanges }
    const judged = await judgeRows(asked, { ...own, rows: arm === 0 ? first.rows : armRows(arm) })
    if (!judged.isPaid) return withHindrance(admission, spent)
    all.push(...judged.rows)
  }
  const isOther =
    judge.hasChanged() || (judge.version() ?? admission.judge.version) !== admission.judge.version
  const changed = `the judge ${plan.judge.model} answered as ${admission.judge.version} and as another version: it must be admitted anew`
  const others = rows.filter(({ arm }) => arm >= plan.arms.length)
  return {
    rows: [...all.map(asJudged), ...others],
    judge: { admission, hindrance: isOther ? changed : null },
  }
}
