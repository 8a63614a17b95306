/** The part of the operator's checker in an evaluation: it compares the upstream's answers, then the arms'. */
import { agree } from '../../core/answer/agreement.ts'
import { isSameChecker, type CheckerFacts, type PlannedChecker } from '../../core/gate/checker.ts'
import type { InternalizationPlan } from '../../core/internalization/internalization.ts'
import { asJudged } from '../../core/judge/verdict.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import { AppError } from '../../errors.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { Checker, WorkerDeps } from '../deps.ts'
import { compareArms, judgeSeconds, withJudged, type Evaluation } from './judge-evaluation.ts'
import { judgingOf } from './judge-rows.ts'
import { WitnessUnavailable, type Witness } from './witness.ts'

type Planned = Pick<InternalizationPlan, 'checker'>

/** What the checker throws where it is away, as any witness does: audits tell it from a fault of the engine. */
const asWitness = (error: unknown): unknown =>
  error instanceof AppError && error.code === 'upstream-unavailable'
    ? new WitnessUnavailable(reasonOf('checker-away', { message: error.message }), {
        cause: error,
      })
    : error

/** It costs nothing. */
const witnessOf = ({ ask }: Checker): Witness => ({
  async compare(comparison, { request, messages, first, other }) {
    const verdict = agree(comparison, other, first)
      ? 'same'
      : await ask({ query: request, messages, logged: first, answer: other }).catch(
          (error: unknown) => {
            throw asWitness(error)
          }
        )
    // the operator vouches for all of the answer, its facts included
    return { verdict, isFactWrong: false }
  },
  spentUsd: () => 0,
})

/** Why the checker that is set is not the one of the plan; null: it is. */
const otherChecker = (set: Checker | null, { checker: planned }: Planned): Reason | null => {
  if (planned === undefined) return null
  if (set === null) return reasonOf('checker-unset', { planned })
  return isSameChecker(set.planned, planned)
    ? null
    : reasonOf('checker-changed', { planned, set: set.planned })
}

/** @returns null where the plan has no checker, or a reason where it is not the one that is set */
export const checkerOf = (
  { checker }: Pick<WorkerDeps, 'checker'>,
  plan: Planned
): Witness | Reason | null => {
  if (plan.checker === undefined) return null
  const other = otherChecker(checker, plan)
  return other ?? (checker && witnessOf(checker))
}

const factsOf = (
  checker: PlannedChecker,
  rows: readonly EvaluationRow[],
  hindrance: Reason | null
): CheckerFacts => {
  const compared = rows.flatMap(({ judged }) => judged?.adapted ?? [])
  return {
    ...checker,
    compared: compared.length,
    none: compared.filter(({ verdict }) => verdict === 'none').length,
    hindrance,
  }
}

/**
 * The rows as the checker sees them.
 * @param checker of `checkerOf`
 * @throws WitnessUnavailable where it does not answer for the moment
 */
export const checkEvaluation = async (
  deps: Pick<WorkerDeps, 'store' | 'now'>,
  checker: Witness | Reason,
  planned: PlannedChecker,
  evaluation: Evaluation
): Promise<{ rows: readonly EvaluationRow[]; checker: CheckerFacts }> => {
  const { rows } = evaluation
  if ('code' in checker) return { rows: rows.map(asJudged), checker: factsOf(planned, [], checker) }
  const asked = judgingOf(deps, checker, evaluation)
  const second = await judgeSeconds(asked, evaluation)
  // it costs nothing, so it is always paid
  const all = (await compareArms(asked, second.rows, evaluation)) ?? []
  return { rows: withJudged(evaluation, all), checker: factsOf(planned, all, null) }
}
