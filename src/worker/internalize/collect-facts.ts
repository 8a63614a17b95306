/** Collects what a verdict is made from: stored answers, and what the held-out exchanges show of themselves. */
import {
  armByValidationAgreement,
  armByValidationLoss,
  chooseStatistic,
} from '../../core/gate/arm.ts'
import type { CheckerFacts } from '../../core/gate/checker.ts'
import { levelOfTry } from '../../core/gate/gate.ts'
import type { ArmAnswer, DecisionFacts, HeldOutRecord } from '../../core/proof/decision-facts.ts'
import {
  burstMsOf,
  heldOutIds,
  validationCount,
  type InternalizationPlan,
  type InternalizeOptions,
} from '../../core/internalization/internalization.ts'
import type { JudgeFacts } from '../../core/judge/admission.ts'
import { kindOf, lengthBands } from '../../core/route/request-kind.ts'
import type { Template } from '../../core/template/template.ts'
import type { EvaluationRow, Store } from '../../store/store.ts'
import { rowsOfArm } from '../answers/rows-of-arm.ts'
import { exchangesByIds, type MatchedExchange } from '../exchanges/exchanges.ts'
import { itemAt, zip } from '../../core/lists.ts'

/** The exchanges that an evaluation sends again. */
export interface EvaluationSets {
  /** training rows that no optimizer step used; the confidence statistic is chosen on them */
  validation: MatchedExchange[]
  /** of both samples, traffic first */
  heldOut: MatchedExchange[]
}

/** Without exchanges whose records are gone. */
export const setsOf = async (
  store: Store,
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

/** Of both sets, by record. */
export const exchangesIn = ({
  heldOut,
  validation,
}: EvaluationSets): Map<string, MatchedExchange> =>
  new Map([...heldOut, ...validation].map((exchange) => [exchange.id, exchange]))

/** Who vouches for agreement; both null: equality does. */
export interface Vouched {
  judge: JudgeFacts | null
  checker: CheckerFacts | null
}

/** @param rows with the upstream's fresh answers, which only those of the first arm have */
export const heldOutRecords = (
  plan: Pick<InternalizationPlan, 'holdoutRecordIds' | 'unseenRecordIds'>,
  heldOut: readonly MatchedExchange[],
  rows: readonly EvaluationRow[]
): HeldOutRecord[] => {
  const [traffic, unseen] = [new Set(plan.holdoutRecordIds), new Set(plan.unseenRecordIds)]
  const first = rowsOfArm(rows, 0)
  const ofKinds = heldOut.map((exchange) => ({
    ...exchange,
    kind: kindOf(exchange.request, exchange.match),
  }))
  const bands = lengthBands(ofKinds.map(({ kind }) => kind.chars))
  return zip(ofKinds, bands).map(([{ id, at, conversation, kind }, band]) => ({
    id,
    at,
    fresh: first.get(id)?.fresh ?? null,
    conversation,
    isTraffic: traffic.has(id),
    isUnseen: unseen.has(id),
    slices: [...kind.traits, ...kind.values, band],
  }))
}

export const answersOf = (
  records: readonly HeldOutRecord[],
  rows: readonly EvaluationRow[],
  arm: number
): (ArmAnswer | null)[] => {
  const answered = rowsOfArm(rows, arm)
  return records.map(({ id }) => {
    const row = answered.get(id)
    if (row === undefined) return null
    const { agrees, agreesToday, logprobSum, logprobMin, longLogprobs, deferred } = row
    const long = longLogprobs && { longLogprobs }
    return { agrees, agreesToday, logprobSum, logprobMin, ...long, deferred }
  })
}

/** The answers of each arm to the validation rows. */
const validationAnswers = (
  { arms }: InternalizationPlan,
  rows: readonly EvaluationRow[],
  validation: readonly MatchedExchange[]
): EvaluationRow[][] =>
  arms.map((_, arm) => {
    const answered = rowsOfArm(rows, arm)
    return validation.flatMap(({ id }) => {
      const row = answered.get(id)
      return row === undefined || row.deferred !== null ? [] : row
    })
  })

/** By data that is not held out. */
const favouredArm = (plan: InternalizationPlan, validated: EvaluationRow[][]): number | null => {
  // of loras and heads; of other models there is no loss
  const kinds = new Set(plan.arms.map(({ encoder }) => encoder === undefined))
  if (kinds.size === 1 && plan.arms.every(({ model }) => model === undefined))
    return armByValidationLoss(
      plan.arms.map((arm) => arm.results.at(-1)?.metrics.valid_loss ?? null)
    )
  return armByValidationAgreement(
    validated.map((rows) => rows.filter(({ agrees }) => agrees).length)
  )
}

/** Without what the live route makes of the requests, which is asked for only if the arms pass. */
export const factsOf = (
  plan: InternalizationPlan,
  { margin, minCoverage }: Pick<InternalizeOptions, 'margin' | 'minCoverage'>,
  rows: readonly EvaluationRow[],
  { validation, heldOut, judge, checker }: EvaluationSets & Vouched
): DecisionFacts => {
  const validated = validationAnswers(plan, rows, validation)
  const records = heldOutRecords(plan, heldOut, rows)
  return {
    responseType: plan.answers.responseType,
    ...(plan.answers.fields !== undefined && { fields: plan.answers.fields }),
    ...(judge !== null && { judge }),
    ...(checker !== null && { checker }),
    margin,
    alpha: levelOfTry(plan.earlierTries),
    minCoverage,
    burstMs: burstMsOf(plan),
    favouredArm: favouredArm(plan, validated),
    records,
    arms: plan.arms.map(({ name }, arm) => ({
      arm: name,
      statistic: chooseStatistic(itemAt(validated, arm)),
      answers: answersOf(records, rows, arm),
    })),
    present: null,
  }
}
