/**
 * Makes pairs of audited requests: the lora answers each as a live route would, and its answer is compared
 * with the one that the client got from the upstream. Where they disagree the upstream is asked again, because
 * it may disagree with itself, or agree with the lora the second time (docs/evidence.md). Each batch is stored
 * before the next, and stored at once.
 */
import { hash } from 'node:crypto'
import { partNamesOf } from '../../core/answer/answer-rules.ts'
import { textOf, type Outcome } from '../../core/answer/outcome.ts'
import type { AnswerFormats } from '../../core/answer/schema/answer-schema.ts'
import { outcomesAgree } from '../../core/answer/agreement.ts'
import type {
  Internalization,
  InternalizationPlan,
} from '../../core/internalization/internalization.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import { hashedShare } from '../../core/rollout/population.ts'
import {
  RATEABLE,
  REFUSED_AFTER_OURS,
  type Pair,
  type PairOutcome,
} from '../../core/rollout/pair.ts'
import { createPartFinder } from '../../core/route/parts.ts'
import { isProven, kindOf } from '../../core/route/request-kind.ts'
import { confidenceOf } from '../../core/route/confidence.ts'
import { type Route } from '../../core/route/route.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import { answerUsage } from '../../openai/usage/usage.ts'
import { readByIds } from '../../lifecycle/logged-texts.ts'
import type { WorkerDeps } from '../deps.ts'
import { sightingOf } from '../internalize/baseline.ts'
import { BATCH_ROWS, evaluateRow, type EvaluateDeps } from '../internalize/evaluate-row.ts'
import { payAlways } from '../answers/proof-budget.ts'
import { answererOf } from '../answers/row-answers.ts'
import { exchangesByIds, outcomeOfLogged, type MatchedExchange } from '../exchanges/exchanges.ts'
import { otherJudge } from '../judge/judge-evaluation.ts'
import { checkerOf } from '../judge/check-evaluation.ts'
import { Judge } from '../judge/judge.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import { WitnessUnavailable, type Witness } from '../judge/witness.ts'
import type { RolloutStage } from '../../core/rollout/stages.ts'
import { judgedOutcome, type ComparedAnswer } from '../../core/judge/verdict.ts'
import type { AuditWait, SecondAnswer } from './audit-wait.ts'
import { studentText } from '../../core/template/prompt.ts'
import { isSuccess } from '../../core/http-status.ts'

export interface AuditedRoute {
  internalization: Internalization
  plan: InternalizationPlan
  template: Template
  route: Route
  stage: RolloutStage
  /** whether the audit took the request from the lora; else the upstream would have answered it anyway */
  costsAnswer: boolean
}

interface JudgeContext extends AuditedRoute, EvaluateDeps {
  deps: WorkerDeps
  findParts: ReturnType<typeof createPartFinder>
  wait: AuditWait
  /** opens the judge or the checker for one pair, where one vouches for agreement; else null */
  witness: (() => Witness) | null
}

const conversationOf = ({ id, match, outcome }: MatchedExchange): string => {
  if (match.template.maxTurnsAfter === 0) return id
  const answer = match.turns[0]?.content ?? textOf(outcome) ?? ''
  return hash('sha256', `${match.query}\n${answer}`, 'hex').slice(0, 32)
}

const faultOf = (record: StoredRecord | undefined): string => {
  if (record === undefined) return 'record-gone'
  return isSuccess(record.status) ? 'unreadable' : 'not-answered'
}

const unusable = (recordId: string, reason: string): Pair => ({
  recordId,
  outcome: 'unusable',
  reason,
  conversation: recordId,
  answer: '',
  parts: [],
  isEqual: false,
  confidence: null,
  upstreamAnswer: null,
  chars: 0,
  isNewLabel: null,
  upstreamModel: null,
  costUsd: null,
})

const sum = (a: number | null, b: number | null): number | null =>
  a === null && b === null ? null : (a ?? 0) + (b ?? 0)

/** @returns null without a usable answer */
const askAgain = async (
  { deps, wait }: JudgeContext,
  record: StoredRecord
): Promise<SecondAnswer | null> => {
  const bought = wait.seconds.get(record.id)
  if (bought !== undefined) return bought
  const response = (await deps.replayUpstream?.(record)) ?? null
  if (response === null) return null
  const outcome = outcomeOfLogged({ path: record.path, response })
  if (outcome.kind === 'unreadable') return null
  const second = {
    outcome,
    costUsd: deps.costUsd(record.model, answerUsage(JSON.parse(response))),
  }
  wait.seconds.set(record.id, second)
  return second
}

/** Of a lora's answer that is not the first one of the upstream. @param lora null: it breaks a rule */
const disagreement = (
  { plan: { answers } }: JudgeContext,
  { first, second, lora }: Record<'first' | 'second' | 'lora', Outcome>
): PairOutcome => {
  if (outcomesAgree(answers, first, second)) return 'disagreed'
  return outcomesAgree(answers, lora, second) ? 'second-agrees' : 'upstream-differs'
}

const SAME: ComparedAnswer = { verdict: 'same', isFactWrong: false }

/** Why the judge is not the one that was admitted; null: it is, or it was not asked. */
const otherVersion = (
  { verdict }: Internalization,
  compared: readonly (ComparedAnswer | null)[]
): Reason | null => {
  const admitted = verdict?.judge?.judge
  const other = compared
    .flatMap((one) => one?.versions ?? [])
    .find((version) => version !== admitted?.version)
  return other === undefined
    ? null
    : reasonOf('judge-version-unknown', { version: other, admitted: admitted?.version ?? null })
}

/**
 * A pair that its witness cannot compare now waits. Were it left out, equal answers, which need no judge, would be all the
 * evidence.
 * @throws WitnessUnavailable where it does not answer for the moment, or has changed
 */
const judgedPair = async (
  context: JudgeContext,
  witness: Witness,
  pair: Pair,
  { record, exchange }: { record: StoredRecord; exchange: MatchedExchange }
): Promise<Pair> => {
  const { plan, internalization } = context
  const first = textOf(exchange.outcome)
  if (first === null) return { ...pair, outcome: 'disagreed' }
  const again = await askAgain(context, record)
  const second = again && textOf(again.outcome)
  // without a second answer nothing says how a judge takes two answers of the upstream; a checker needs no key of it,
  // and then each rejection is a loss
  if (second === null && plan.checker === undefined)
    return { ...pair, outcome: 'unusable', reason: 'no-second' }
  const { messages } = exchange.request
  const asked = { request: studentText(exchange.match), messages, first }
  const [adapted, fresh] = await Promise.all([
    witness.compare(plan.answers, { ...asked, other: pair.answer }),
    second === null ? SAME : witness.compare(plan.answers, { ...asked, other: second }),
  ])
  const other = otherVersion(internalization, [adapted, fresh])
  if (other !== null) throw new WitnessUnavailable(other)
  const spentUsd = witness.spentUsd()
  const costUsd = sum(sum(pair.costUsd, again?.costUsd ?? null), spentUsd === 0 ? null : spentUsd)
  const judged = { ...pair, costUsd, upstreamAnswer: second }
  if (adapted === null || fresh === null)
    return { ...judged, outcome: 'unusable', reason: 'no-second' }
  return { ...judged, outcome: judgedOutcome({ adapted, second: fresh }) }
}

const judgeOne = async (
  context: JudgeContext,
  record: StoredRecord,
  exchange: MatchedExchange
): Promise<Pair> => {
  const { deps, plan, route, costsAnswer } = context
  const { row, usd } = await evaluateRow(
    context,
    // without what a live route withholds
    { ...plan, answers: route.answers, kinds: route.kinds },
    exchange
  )
  const { deferred, answer, agrees, ...logprobs } = row
  const confidence = confidenceOf(route.confidence, logprobs)
  const isSure = confidence >= route.threshold
  const kind = kindOf(exchange.request, exchange.match)
  const pair: Pair = {
    recordId: record.id,
    outcome: 'fallback',
    reason: deferred ?? (isSure ? null : 'low-confidence'),
    conversation: conversationOf(exchange),
    answer,
    parts: context.findParts(kind, partNamesOf(plan.answers, answer)),
    isEqual: row.agrees,
    confidence: deferred === null && Number.isFinite(confidence) ? confidence : null,
    upstreamAnswer: null,
    ...sightingOf(plan, exchange),
    upstreamModel: exchange.upstreamModel,
    // the upstream would have answered it without an audit, too; another model was asked for it alone
    costUsd: usd === 0 ? null : usd,
  }
  // one that was drawn before the route withheld its kind
  const isWithheld = deferred === 'kind-not-proven' && isProven(plan.kinds, kind)
  if (isWithheld || deferred === 'withheld') return { ...pair, outcome: 'withheld' }
  if (deferred !== null) return pair
  // a draft is no evidence that a judge or a checker is asked for
  if (!isSure && context.witness !== null) return pair
  if (!isSure) return { ...pair, outcome: agrees ? 'draft-agreed' : 'draft-disagreed' }
  const costUsd = sum(pair.costUsd, costsAnswer ? deps.costUsd(record.model, record.usage) : null)
  const answered = { ...pair, costUsd }
  if (context.witness !== null)
    return judgedPair(context, context.witness(), answered, { record, exchange })
  if (agrees) return { ...answered, outcome: 'agreed' }
  const again = await askAgain(context, record)
  if (again === null) return { ...answered, outcome: 'disagreed' }
  const lora = { kind: 'text', text: answer } as const
  return {
    ...answered,
    outcome: disagreement(context, { first: exchange.outcome, second: again.outcome, lora }),
    upstreamAnswer: textOf(again.outcome) ?? '',
    costUsd: sum(costUsd, again.costUsd),
  }
}

/**
 * A refusal after an answer of the lora: a loss. All of the lora's conversations can be refused, and a part of the
 * others is audited, so as large a part of the refusals counts: then their share adds to the loss of the pairs.
 */
const refusal = (
  recordId: string,
  { auditShare, trafficShare }: Pick<Route, 'auditShare' | 'trafficShare'>
): Pair => {
  const isDrawn = hashedShare(recordId) * trafficShare < auditShare
  return isDrawn
    ? { ...unusable(recordId, REFUSED_AFTER_OURS), outcome: 'refused' }
    : unusable(recordId, 'not-drawn')
}

/** Whether the engine gave this answer, so that it is not away. */
const isFromEngine = ({ outcome, reason }: Pair): boolean => {
  if (outcome === 'unusable') return false
  const isAnswer = RATEABLE.some((one) => one === outcome)
  return isAnswer || reason === null || reason === 'low-confidence' || reason === 'withheld'
}

/**
 * A request that the engine fails at twice, although it answers others at the same time, is no pair: one that
 * waited for ever would keep all later ones from being judged.
 * @throws AppError of the engine where it answers none, and of the judge where it does not answer one
 */
const judgeAll = async (ids: string[], judge: (id: string) => Promise<Pair>): Promise<Pair[]> => {
  const failures: unknown[] = []
  const settled = await Promise.all(
    ids.map(async (id) => {
      const pair = await judge(id).catch((error: unknown) => void failures.push(error))
      return { id, pair }
    })
  )
  const isAway = !settled.some(({ pair }) => pair && isFromEngine(pair))
  const fault = failures.find(
    (failure) => isAway || !(failure instanceof AppError) || failure instanceof WitnessUnavailable
  )
  if (fault !== undefined) throw fault
  return Promise.all(
    settled.map(
      ({ id, pair }) =>
        pair ??
        judge(id).catch((error: unknown) => {
          if (error instanceof WitnessUnavailable) throw error
          return unusable(id, 'engine-failed')
        })
    )
  )
}

/** @throws WitnessUnavailable where the witness of the proof is not set: the audits wait for it */
const witnessOfRoute = (deps: WorkerDeps, { plan }: AuditedRoute): (() => Witness) | null => {
  const checker = checkerOf(deps, plan)
  if (checker !== null) {
    if ('code' in checker) throw new WitnessUnavailable(checker)
    return () => checker
  }
  if (plan.judge === undefined) return null
  const { judge } = deps
  const why = otherJudge(deps, plan)
  if (why !== null || judge === null)
    throw new WitnessUnavailable(why ?? reasonOf('judge-unset', { planned: plan.judge.model }))
  return () => new Judge(deps, judge, payAlways)
}

/**
 * Judges the oldest audited requests that wait.
 * @returns how many were judged
 * @param wait of the route
 * @throws AppError of the engine where it answers none of them, and of the judge; then nothing is stored
 */
export const judgeAudits = async (
  deps: WorkerDeps,
  engine: Engine | null,
  formats: AnswerFormats,
  audited: AuditedRoute,
  wait: AuditWait
): Promise<number> => {
  const { store } = deps
  const waiting = await store.pairs.waiting(audited.route.lora, wait.hasFailed ? 1 : BATCH_ROWS)
  if (waiting.length === 0) return 0
  const ids = waiting.map(({ recordId }) => recordId)
  const records = new Map<string, StoredRecord>()
  for await (const record of readByIds(store.records, ids)) records.set(record.id, record)
  const exchanges = new Map(
    (await exchangesByIds(store, audited.template, ids)).map((exchange) => [exchange.id, exchange])
  )
  const findParts = createPartFinder(audited.plan.parts)
  const { route } = audited
  // what has no answer now waits: the limit of its costs is that of a day
  const buying = { pay: payAlways, tries: 1 }
  const answerer = answererOf({ ...deps, engine }, route, route.answers, buying)
  const witness = witnessOfRoute(deps, audited)
  const context: JudgeContext = { ...audited, deps, answerer, formats, findParts, wait, witness }
  const open = ids.filter((id) => !wait.pairs.has(id))
  const judged = await judgeAll(open, async (id) => {
    const [record, exchange] = [records.get(id), exchanges.get(id)]
    if (record?.route?.reason === REFUSED_AFTER_OURS) return refusal(id, audited.route)
    if (record === undefined || exchange === undefined) return unusable(id, faultOf(record))
    const pair = await judgeOne(context, record, exchange)
    // a batch is stored as a whole, and this one is paid for
    if (witness !== null) wait.pairs.set(id, pair)
    return pair
  })
  const made = new Map([...wait.pairs, ...judged.map((pair) => [pair.recordId, pair] as const)])
  // in the order of the requests, whatever became of them
  const pairs = ids.flatMap((id) => made.get(id) ?? [])
  await store.pairs.judge(pairs)
  wait.stored(ids)
  return pairs.length
}
