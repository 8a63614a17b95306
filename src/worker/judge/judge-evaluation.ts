/** A judge's part of an evaluation: the upstream's answers, its admission, the arms' answers. */
import type {
  Internalization,
  InternalizationPlan,
  PlannedJudge,
} from '../../core/internalization/internalization.ts'
import { judgeObjection, type Admission, type JudgeFacts } from '../../core/judge/admission.ts'
import { rubricDigest } from '../../core/judge/judge-prompt.ts'
import { asJudged } from '../../core/judge/verdict.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { rowsOfArm } from '../answers/rows-of-arm.ts'
import type { Pay } from '../answers/proof-budget.ts'
import { admitJudge, type Admitted } from './admit-judge.ts'
import { Judge } from './judge.ts'
import { judgeRows, judgingOf, type JudgeRowsDeps } from './judge-rows.ts'

/** @throws AppError `invalid-config` */
export const judgeOf = (
  deps: WorkerDeps,
  { judge: planned }: InternalizationPlan,
  pay: Pay
): Judge | null =>
  planned === undefined || deps.judge === null ? null : new Judge(deps, deps.judge, pay)

/** Why the judge that is set is not the one of the plan; null: it is. */
export const otherJudge = (
  { judge: set }: Pick<WorkerDeps, 'judge'>,
  { judge: planned }: InternalizationPlan
): Reason | null => {
  if (planned === undefined) return null
  if (set === null) return reasonOf('judge-unset', { planned: planned.model })
  if (set.model !== planned.model)
    return reasonOf('judge-changed', { planned: planned.model, set: set.model })
  return rubricDigest(set.rubric) === planned.rubricDigest
    ? null
    : reasonOf('rubric-changed', { rubric: planned.rubric })
}

const versionsOf = (rows: readonly EvaluationRow[]): string[] =>
  rows.flatMap(({ judged }) =>
    [judged?.adapted, judged?.second].flatMap((one) => one?.versions ?? [])
  )

/**
 * Why what the judge said does not hold together; null: it was one judge all the time, also before a restart.
 * @param versions of all replies
 */
const changeOf = (
  { judge: { model, version } }: Admission,
  versions: readonly string[]
): Reason | null => {
  const other = versions.find((one) => one !== version)
  return other === undefined ? null : reasonOf('judge-version-changed', { model, version, other })
}

/** The facts after the rows of a live route were judged, too. */
export const withVersionsOf = (
  facts: JudgeFacts | null,
  rows: readonly EvaluationRow[]
): JudgeFacts | null =>
  facts === null || facts.admission === null || facts.hindrance !== null
    ? facts
    : { ...facts, hindrance: changeOf(facts.admission, versionsOf(rows)) }

interface JudgedEvaluation {
  rows: readonly EvaluationRow[]
  /** null: equality decides */
  judge: JudgeFacts | null
}

export interface Evaluation {
  internalization: Internalization
  plan: InternalizationPlan
  rows: readonly EvaluationRow[]
  exchanges: ReadonlyMap<string, MatchedExchange>
}

/** What the judge came to before it compared an arm's answer; `rows` are the first arm's. */
type Begun =
  { hindrance: Reason; admission: Admission | null } | (Admitted & { rows: EvaluationRow[] })

interface Asked extends JudgeRowsDeps {
  judge: Judge
  spentReason: Reason
}

/** Has the upstream's second answers compared. */
export const judgeSeconds = (
  asked: JudgeRowsDeps,
  { rows, exchanges }: Evaluation
): ReturnType<typeof judgeRows> =>
  judgeRows(asked, {
    compared: 'second',
    rows: [...rowsOfArm(rows, 0).values()],
    firstRows: new Map(),
    exchanges,
  })

/** The upstream's second answers first: faults are planted in those that the judge accepts. */
const admission = async (
  asked: Asked,
  planned: PlannedJudge,
  evaluation: Evaluation
): Promise<Begun> => {
  const { internalization, plan, exchanges } = evaluation
  const first = await judgeSeconds(asked, evaluation)
  const { spentReason: hindrance } = asked
  if (!first.isPaid) return { hindrance, admission: null }
  const found = await admitJudge(asked, internalization, {
    planned,
    comparison: plan.answers,
    seed: plan.seed,
    rows: first.rows,
    exchanges,
  })
  if (found === null) return { hindrance, admission: null }
  return { ...found, rows: first.rows }
}

/** @returns the rows of all arms; null where the money was not enough */
export const compareArms = async (
  asked: JudgeRowsDeps,
  first: readonly EvaluationRow[],
  { plan, rows, exchanges }: Evaluation
): Promise<EvaluationRow[] | null> => {
  const firstRows = new Map(first.map((row) => [row.recordId, row]))
  const all: EvaluationRow[] = []
  for (let arm = 0; arm < plan.arms.length; arm++) {
    const own = arm === 0 ? first : [...rowsOfArm(rows, arm).values()]
    const judged = await judgeRows(asked, { compared: 'adapted', rows: own, firstRows, exchanges })
    if (!judged.isPaid) return null
    all.push(...judged.rows)
  }
  return all
}

/** @param compared rows of all arms */
export const withJudged = (
  { plan, rows }: Evaluation,
  compared: readonly EvaluationRow[]
): EvaluationRow[] => [
  ...compared.map(asJudged),
  ...rows.filter(({ arm }) => arm >= plan.arms.length),
]

/**
 * The rows as the judge sees them. The arms' answers are compared only by a judge that is admitted.
 * @param judge of the plan; null where there is none, or it is not set now
 * @throws WitnessUnavailable where it does not answer for the moment
 */
export const judgeEvaluation = async (
  deps: WorkerDeps,
  judge: Judge | null,
  evaluation: Evaluation
): Promise<JudgedEvaluation> => {
  const { plan, rows } = evaluation
  if (plan.judge === undefined) return { rows, judge: null }
  const ended = (facts: JudgeFacts): JudgedEvaluation => ({
    rows: rows.map(asJudged),
    judge: facts,
  })
  const other = otherJudge(deps, plan)
  if (judge === null || deps.judge === null || other !== null)
    return ended({ admission: null, hindrance: other })
  const asked: Asked = {
    ...judgingOf(deps, judge, evaluation),
    spentReason: reasonOf('proof-money-spent', { usd: deps.config.proofUsd ?? 0 }),
  }
  const begun = await admission(asked, plan.judge, evaluation)
  if ('hindrance' in begun) return ended(begun)
  const admitted = { admission: begun.admission, hindrance: null }
  if (judgeObjection(admitted) !== null) return ended(admitted)
  const compared = await compareArms(asked, begun.rows, evaluation)
  if (compared === null) return ended({ ...admitted, hindrance: asked.spentReason })
  return {
    rows: withJudged(evaluation, compared),
    judge: {
      ...admitted,
      hindrance: changeOf(begun.admission, [...begun.versions, ...versionsOf(compared)]),
    },
  }
}
