/**
 * Asks every arm's last lora the held-out queries, compares with the logged answers and, when the
 * operator gave an upstream key, the upstream with itself. Each batch of answers is stored before
 * the next is asked, so a crash repeats no paid call.
 */
import { AGREEMENT_CUT, decide } from '../core/gate.ts'
import { armByValidationLoss, chooseStatistic } from '../core/gate-arm.ts'
import type { Internalization, InternalizationPlan } from '../core/internalization.ts'
import { loraRequest } from '../core/route.ts'
import { detectResponseType, hardGate, similarity } from '../core/score.ts'
import type { ResponseType, Verdict } from '../core/gate.ts'
import type { Template } from '../core/template.ts'
import type { Engine } from '../engine/engine.ts'
import type { ChatCompletion } from '../openai/chat.ts'
import type { EvaluationRow } from '../store/store.ts'
import type { WorkerDeps } from './deps.ts'
import { answerOf, exchangesByIds, type Exchange } from './exchanges.ts'

/** Asked at once, so that the engine can batch them. */
const BATCH_ROWS = 16
/** An adapted answer longer than this times the longest logged answer is cut: it is wrong anyway. */
const LENGTH_SLACK = 2

interface EvaluationContext {
  deps: WorkerDeps
  engine: Engine
  internalization: Internalization
  plan: InternalizationPlan
  responseType: ResponseType
  maxTokens: number
  /** of the logged answers */
  longestChars: number
}

const logprobsOf = (completion: ChatCompletion): number[] =>
  completion.choices[0]?.logprobs?.content?.map((token) => token.logprob) ?? []

const evaluateRow = async (
  context: EvaluationContext,
  arm: number,
  exchange: Exchange
): Promise<EvaluationRow> => {
  const { engine, plan, responseType, internalization } = context
  const lora = plan.arms[arm]!.results.at(-1)!.lora
  const completion = await engine.complete(
    loraRequest({ lora, labels: plan.labels }, exchange.match, context.maxTokens)
  )
  const logprobs = logprobsOf(completion)
  const content = completion.choices[0]?.message.content
  const answer = typeof content === 'string' ? content : ''
  const isWhole = completion.choices[0]?.finish_reason === 'stop'
  const broken = hardGate(responseType, answer, {
    labels: plan.labels,
    longestChars: context.longestChars,
  })
  return {
    internalizationId: internalization.id,
    arm,
    recordId: exchange.id,
    answer,
    logprobSum: logprobs.reduce((sum, logprob) => sum + logprob, 0),
    logprobMin: Math.min(0, ...logprobs),
    similarity: isWhole && broken === null ? similarity(responseType, answer, exchange.answer) : 0,
    upstreamAnswer: null,
    upstreamSimilarity: null,
  }
}

/** Fresh upstream answers for the first arm's rows only: the yardstick is the same for every arm. */
const withUpstream = async (
  context: EvaluationContext,
  row: EvaluationRow,
  exchange: Exchange
): Promise<EvaluationRow> => {
  const { deps, responseType } = context
  const [record] = await deps.store.records.byIds([exchange.id])
  if (record === undefined || deps.replayUpstream === null) return row
  const upstreamAnswer = answerOf(await deps.replayUpstream(record.request))
  if (upstreamAnswer === null) return row
  return {
    ...row,
    upstreamAnswer,
    upstreamSimilarity: similarity(responseType, upstreamAnswer, exchange.answer),
  }
}

const evaluateBatch = (
  context: EvaluationContext,
  arm: number,
  batch: Exchange[],
  replays: number
): Promise<EvaluationRow[]> =>
  Promise.all(
    batch.map(async (exchange, index) => {
      const row = await evaluateRow(context, arm, exchange)
      return index < replays ? withUpstream(context, row, exchange) : row
    })
  )

const contextOf = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  plan: InternalizationPlan,
  template: Template
): Promise<{ context: EvaluationContext; holdout: Exchange[] }> => {
  const holdout = await exchangesByIds(deps.store, template, plan.holdoutRecordIds)
  const train = await exchangesByIds(deps.store, template, plan.trainRecordIds)
  const answers = [...train, ...holdout].map((exchange) => exchange.answer)
  const longest = answers.reduce((best, answer) => (answer.length > best.length ? answer : best))
  return {
    holdout,
    context: {
      deps,
      engine,
      internalization,
      plan,
      responseType: detectResponseType(train.map((exchange) => exchange.answer)),
      longestChars: longest.length,
      maxTokens: Math.ceil((await engine.countTokens(plan.baseModel, longest)) * LENGTH_SLACK) + 8,
    },
  }
}

const verdictOf = (
  context: EvaluationContext,
  rows: EvaluationRow[],
  holdout: Exchange[]
): Verdict => {
  const byArm = new Map<number, Map<string, EvaluationRow>>()
  for (const row of rows) {
    const arm = byArm.get(row.arm) ?? new Map<string, EvaluationRow>()
    byArm.set(row.arm, arm.set(row.recordId, row))
  }
  const upstream = byArm.get(0)
  return decide({
    arms: context.plan.arms.map((arm, index) => ({
      arm: arm.name,
      statistic: chooseStatistic([], AGREEMENT_CUT[context.responseType]),
      rows: holdout.flatMap((exchange) => {
        const row = byArm.get(index)?.get(exchange.id)
        return row === undefined
          ? []
          : {
              similarity: row.similarity,
              logprobSum: row.logprobSum,
              logprobMin: row.logprobMin,
              upstreamSimilarity: upstream?.get(exchange.id)?.upstreamSimilarity ?? null,
              deferred: null,
              conversation: exchange.session,
              isTraffic: true,
              isUnseen: true,
              slices: [],
            }
      }),
    })),
    favouredArm: armByValidationLoss(
      context.plan.arms.map((arm) => arm.results.at(-1)?.metrics.valid_loss ?? null)
    ),
    responseType: context.responseType,
    margin: context.deps.config.margin,
    minCoverage: context.deps.config.minCoverage,
    seed: context.plan.seed,
  })
}

/** The verdict over all arms; goes on where an interrupted evaluation stopped. */
export const evaluate = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: Internalization,
  plan: InternalizationPlan,
  template: Template
): Promise<Verdict> => {
  const { context, holdout } = await contextOf(deps, engine, internalization, plan, template)
  const done = await deps.store.internalizations.evaluations(internalization.id)
  const doneKeys = new Set(done.map((row) => `${row.arm}/${row.recordId}`))
  for (let arm = 0; arm < plan.arms.length; arm++) {
    const open = holdout.filter((exchange) => !doneKeys.has(`${arm}/${exchange.id}`))
    for (let start = 0; start < open.length; start += BATCH_ROWS) {
      const bought = done.filter((row) => row.upstreamAnswer !== null).length
      const replays =
        arm === 0 && deps.replayUpstream !== null ? deps.config.upstreamReplays - bought : 0
      const rows = await evaluateBatch(context, arm, open.slice(start, start + BATCH_ROWS), replays)
      await deps.store.internalizations.addEvaluations(rows)
      done.push(...rows)
    }
  }
  return verdictOf(context, done, holdout)
}
