/** One training of a learning curve: its rows and stages, the held-out requests that it answers, its end. */
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { fitRows, fitStages } from '../../core/learn/fits.ts'
import {
  armOfFit,
  heldOutIds,
  validationCount,
  type Internalization,
  type InternalizationPlan,
  type ProvenVerdict,
} from '../../core/internalization/internalization.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { Fit } from '../../lifecycle/learning-curve.ts'
import type { WorkerDeps } from '../deps.ts'
import { answeredRows } from '../internalize/answered-rows.ts'
import { payAlways } from '../answers/proof-budget.ts'
import { answererOf } from '../answers/row-answers.ts'
import { exchangesByIds, type MatchedExchange } from '../exchanges/exchanges.ts'
import type { StageContext } from '../internalize/train.ts'
import { deleteLoras } from '../internalize/training-files.ts'
import { itemAt, lastOf, nonEmpty } from '../../core/lists.ts'

export interface CurveContext {
  deps: WorkerDeps
  engine: Engine
  internalization: Internalization
  template: Template
  plan: InternalizationPlan
  verdict: ProvenVerdict
}

/** Held-out requests that each lora answers, of which half or more are questions that training has not seen. */
const HELD_OUT_ROWS = 400
/** Between these the worker does its other work. */
const ROWS_AT_ONCE = 128

export const beginFit = ({ plan }: CurveContext, place: number): Fit => ({
  rows: Math.floor(itemAt(plan.fitShares, place) * plan.trainRecordIds.length),
  results: [],
  isJudged: false,
})

/** The stage that comes next. Its rows have none of those that the winning arm was validated with. */
export const fitContext = (
  { internalization, template, plan, verdict }: CurveContext,
  place: number,
  { results }: Fit
): StageContext => {
  const share = itemAt(plan.fitShares, place)
  const { trainRecordIds } = plan
  const trainable = trainRecordIds.slice(
    0,
    trainRecordIds.length - validationCount(trainRecordIds.length)
  )
  const arm = itemAt(plan.arms, verdict.arm)
  return {
    internalization,
    template,
    plan: { ...plan, trainRecordIds: fitRows(trainable, share, plan.seed) },
    trained: { ...arm, stages: fitStages(arm.stages, share, trainRecordIds.length), results },
    arm: armOfFit(plan, place),
    stage: results.length,
  }
}

/** Evenly spaced over both samples. */
const someOf = (exchanges: MatchedExchange[]): MatchedExchange[] => {
  const step = Math.max(1, exchanges.length / HELD_OUT_ROWS)
  return exchanges.filter((_, place) => Math.floor(place / step) !== Math.floor((place - 1) / step))
}

/**
 * The held-out exchanges of an internalization.
 * @throws AppError `not-found` when the log has lost some of them
 */
export const heldOutOf = async ({
  deps,
  template,
  plan,
}: CurveContext): Promise<MatchedExchange[]> => {
  const ids = heldOutIds(plan)
  const exchanges = await exchangesByIds(deps.store, template, ids)
  if (exchanges.length === ids.length) return exchanges
  throw new AppError(
    'not-found',
    `${ids.length - exchanges.length} of ${ids.length} held-out exchanges were deleted from the log`
  )
}

/** Answers and stores some of the requests. @returns whether all are answered */
export const answerSome = async (
  context: CurveContext,
  place: number,
  { results }: Fit
): Promise<boolean> => {
  const { deps, engine, internalization, plan } = context
  const { store } = deps
  const arm = armOfFit(plan, place)
  const { lora } = lastOf(nonEmpty(results))
  const stored = await store.internalizations.evaluations(internalization.id)
  const known = new Set(stored.filter((row) => row.arm === arm).map(({ recordId }) => recordId))
  const open = someOf(await heldOutOf(context)).filter(({ id }) => !known.has(id))
  await answeredRows(
    {
      store,
      answerer: answererOf({ ...deps, engine }, { lora }, plan.answers, { pay: payAlways }),
      formats: createAnswerFormats(),
      plan,
      arm,
      internalizationId: internalization.id,
    },
    open.slice(0, ROWS_AT_ONCE),
    stored
  )
  return open.length <= ROWS_AT_ONCE
}

/** Its answers are stored, so its loras are not needed any more. */
export const endFit = ({ engine }: CurveContext, { results }: Fit): Promise<void> =>
  deleteLoras(
    engine,
    results.map(({ lora }) => lora)
  )
