/**
 * Sends the held-out requests to the last lora of each arm and compares the answers with the logged
 * outcomes. With an upstream key it also measures how far the upstream agrees with itself. Each batch
 * of answers is stored before the next is requested, so a crash repeats at most one batch of paid calls.
 */
import { createAnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { decide, type HeldOutRow, type Verdict } from '../../core/gate/gate.ts'
import {
  armByValidationAgreement,
  armByValidationLoss,
  chooseStatistic,
} from '../../core/gate/arm.ts'
import {
  heldOutIds,
  validationCount,
  type Internalization,
  type InternalizationPlan,
  type ProvenVerdict,
} from '../../core/lifecycle/internalization.ts'
import { textOf } from '../../core/answer/outcome.ts'
import { agreementCut } from '../../core/answer/score.ts'
import { kindOf, lengthBands } from '../../core/route/request-kind.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { EvaluationRow } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { baselineOfVerdict } from './baseline.ts'
import { comparedWithPresent } from './compare-present.ts'
import { BATCH_ROWS, evaluateRow, outcomeSimilarity, type EvaluateDeps } from './evaluate-row.ts'
import { exchangesByIds, outcomeOfText, type MatchedExchange } from '../exchanges/exchanges.ts'

interface EvaluationContext extends EvaluateDeps {
  deps: WorkerDeps
  internalization: Internalization
  plan: InternalizationPlan
}

/** The exchanges that an evaluation sends again. */
interface EvaluationSets {
  /** training rows that no optimizer step used; the confidence statistic is chosen on them */
  validation: MatchedExchange[]
  /** of both samples, traffic first */
  heldOut: MatchedExchange[]
}

/** @returns the row with a fresh answer of the upstream; unchanged without a usable answer */
const withUpstream = async (
  { deps, plan }: EvaluationContext,
  row: EvaluationRow,
  exchange: MatchedExchange
): Promise<EvaluationRow> => {
  const [record] = await deps.store.records.byIds([exchange.id])
  if (record === undefined || deps.replayUpstream === null) return row
  const response = await deps.replayUpstream(record.request)
  if (response === null) return row
  const outcome = outcomeOfText(response)
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

type RowsByRecord = ReadonlyMap<string, EvaluationRow>

/** The answers of an arm to the validation rows. */
const validationAnswers = (
  answered: RowsByRecord,
  validation: MatchedExchange[]
): EvaluationRow[] =>
  validation.flatMap(({ id }) => {
    const row = answered.get(id)
    return row === undefined || row.deferred !== null ? [] : row
  })

/** By data that is not held out. */
const favouredArm = (plan: InternalizationPlan, validated: EvaluationRow[][]): number | null => {
  const kinds = new Set(plan.arms.map(({ encoder }) => encoder === undefined))
  if (kinds.size === 1)
    return armByValidationLoss(
      plan.arms.map((arm) => arm.results.at(-1)?.metrics.valid_loss ?? null)
    )
  const cut = agreementCut(plan.answers.responseType)
  return armByValidationAgreement(
    validated.map((rows) => rows.filter(({ similarity }) => similarity >= cut).length)
  )
}

/**
 * The held-out rows of one arm as the gate judges them.
 * @param upstream rows of the first arm; only these have fresh upstream answers
 */
export const heldOutRows = (
  plan: Pick<InternalizationPlan, 'holdoutRecordIds' | 'unseenRecordIds'>,
  answered: RowsByRecord,
  upstream: RowsByRecord,
  heldOut: MatchedExchange[]
): HeldOutRow[] => {
  const [traffic, unseen] = [new Set(plan.holdoutRecordIds), new Set(plan.unseenRecordIds)]
  const kinds = heldOut.map(({ request, match }) => kindOf(request, match))
  const bands = lengthBands(kinds.map(({ chars }) => chars))
  return heldOut.flatMap(({ id, conversation }, i) => {
    const row = answered.get(id)
    if (row === undefined) return []
    const { similarity, logprobSum, logprobMin, deferred } = row
    return {
      similarity,
      logprobSum,
      logprobMin,
      deferred,
      upstreamSimilarity: upstream.get(id)?.upstreamSimilarity ?? null,
      conversation,
      isTraffic: traffic.has(id),
      isUnseen: unseen.has(id),
      slices: [...kinds[i]!.traits, ...kinds[i]!.values, bands[i]!],
    }
  })
}

const verdictOf = (
  context: EvaluationContext,
  rows: EvaluationRow[],
  { validation, heldOut }: EvaluationSets
): Verdict => {
  const { deps, plan } = context
  const byArm = plan.arms.map(
    (_, arm) => new Map(rows.filter((row) => row.arm === arm).map((row) => [row.recordId, row]))
  )
  const validated = byArm.map((answered) => validationAnswers(answered, validation))
  const cut = agreementCut(plan.answers.responseType)
  return decide({
    arms: plan.arms.map(({ name }, arm) => ({
      arm: name,
      statistic: chooseStatistic(validated[arm]!, cut),
      rows: heldOutRows(plan, byArm[arm]!, byArm[0]!, heldOut),
    })),
    favouredArm: favouredArm(plan, validated),
    responseType: plan.answers.responseType,
    margin: deps.config.margin,
    minCoverage: deps.config.minCoverage,
    seed: plan.seed,
  })
}

/** @returns the verdict over all arms; resumes an interrupted evaluation */
export const evaluate = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  plan: InternalizationPlan,
  template: Template
): Promise<ProvenVerdict> => {
  const formats = createAnswerFormats()
  const context: EvaluationContext = { deps, engine, formats, internalization, plan }
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
  const verdict = verdictOf(context, done, sets)
  const baseline = baselineOfVerdict(plan, verdict, done, sets.heldOut)
  const compared = await comparedWithPresent({ ...context, template, rows: done }, verdict)
  return { ...compared, ...(baseline && { baseline }) }
}
