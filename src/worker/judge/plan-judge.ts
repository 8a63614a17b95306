/** Whether a judge may vouch for a template's answers, and for which answers one is needed. */
import { REQUESTS_PER_COMPARISON, rubricDigest } from '../../core/judge/judge-prompt.ts'
import { judgeCostText } from '../../lifecycle/read-judge.ts'
import { reasonOf, type JudgeObstacle } from '../../core/reason.ts'
import type { Price } from '../../core/cost/prices.ts'
import type { Comparison } from '../../core/answer/agreement.ts'
import { writtenRules } from '../../core/answer/field-rules.ts'
import { textOf } from '../../core/answer/outcome.ts'
import { judgedText, splitAnswer } from '../../core/answer/written-fields.ts'
import { FAULTS, FAULTS_OF_A_CLASS } from '../../core/judge/planted-faults.ts'
import { modelOfArm } from '../../core/learn/schedule.ts'
import type { JudgeCost, PlannedJudge } from '../../core/internalization/internalization.ts'
import { studentText } from '../../core/template/prompt.ts'
import type { Template } from '../../core/template/template.ts'
import type { ResponseType } from '../../core/answer/response-type.ts'
import type { JudgeSettings, WorkerDeps } from '../deps.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { comparisonUsd } from './judge.ts'

/** Of models of one maker: a judge prefers answers that are like its own. Beginnings of names, with what stands before the last `/` left out. */
const FAMILIES: readonly (readonly string[])[] = [
  ['gpt-', 'chatgpt-', 'o1', 'o3', 'o4', 'codex-', 'text-davinci'],
  ['claude-'],
  ['gemini-', 'gemma-'],
  ['llama-', 'meta-llama', 'muse-'],
  ['mistral-', 'mixtral-', 'ministral-', 'codestral-', 'magistral-', 'devstral-'],
  ['qwen', 'qwq'],
  ['deepseek-'],
  ['grok-'],
  ['command-'],
  ['phi-'],
  ['glm-', 'chatglm'],
  ['kimi-', 'moonshot-'],
  ['nova-', 'titan-'],
]

/** `openai/gpt-5-mini`, `accounts/x/models/qwen3-8b` and `ft:gpt-5-mini:acme` name a base model behind what is around it. */
const bareName = (model: string): string =>
  model.toLowerCase().replace(/^ft:/, '').replace(/^.*\//s, '')

/** A name for the maker: models of unknown makers are of one family if their names begin with the same letters. */
const familyOf = (model: string): string => {
  const name = bareName(model)
  const known = FAMILIES.find((starts) => starts.some((start) => name.startsWith(start)))
  return known?.[0] ?? name.replace(/[^a-z].*/s, '')
}

type Deps = Pick<
  WorkerDeps,
  'judge' | 'askUpstream' | 'replayUpstream' | 'priceOf' | 'config' | 'log'
>

/** @param model of the upstream @returns what is missing; null: a judge may vouch for its answers */
export const whyNoJudge = (
  { judge, askUpstream, replayUpstream, priceOf, config }: Omit<Deps, 'log'>,
  model: string
): JudgeObstacle | null => {
  if (judge === null) return reasonOf('no-judge-named', {})
  if (askUpstream === null || replayUpstream === null) return reasonOf('no-key-for-judge', {})
  if (config.upstreamReplays !== null) return reasonOf('replays-limited', {})
  if (priceOf(judge.model) === null) return reasonOf('no-price-of-judge', { model: judge.model })
  const writers = [model, ...config.arms.flatMap((arm) => modelOfArm(arm) ?? [])]
  const sibling = writers.find((writer) => familyOf(judge.model) === familyOf(writer))
  return sibling === undefined ? null : reasonOf('judge-of-same-maker', { sibling })
}

/** Types of answers that can be right in other words. */
const WRITTEN: ReadonlySet<ResponseType> = new Set(['free-text', 'short-text'])

interface PlannedAnswers {
  responseType: ResponseType
  /** of a form that a field head fills, whose answers are compared as they are, but for written fields */
  hasForm: boolean
}

/** Whether the answers are texts that somebody reads as they are. */
const isWritten = ({ responseType, hasForm }: PlannedAnswers): boolean =>
  !hasForm && WRITTEN.has(responseType)

interface JudgedPlan {
  comparison: Comparison
  hasForm: boolean
  heldOut: readonly MatchedExchange[]
  arms: number
}

/** A person has said which fields are written, so a form that a field head may fill changes nothing. */
const mayBeJudged = ({ comparison: { responseType, fields }, hasForm }: JudgedPlan): boolean =>
  writtenRules(fields).length > 0 || isWritten({ responseType, hasForm })

/** Planted faults of all classes at most, each of which is caught by one request. */
const MOST_FAULTS = FAULTS.length * FAULTS_OF_A_CLASS

/**
 * Expected: each held-out request costs two for the upstream's second answer and two for each arm, and a planted fault
 * one.
 */
const expectedJudgeCost = (
  settings: JudgeSettings & { limitUsd: number },
  price: Price,
  { comparison, heldOut, arms }: JudgedPlan
): JudgeCost => {
  const each = heldOut.flatMap(({ match, outcome }) => {
    const { texts } = splitAnswer(comparison, textOf(outcome) ?? '')
    if (texts.length === 0) return []
    const text = judgedText(texts)
    const compared = { request: studentText(match), first: text, other: text }
    return comparisonUsd(settings, price, compared) ?? []
  })
  const faults = Math.min(MOST_FAULTS, FAULTS.length * each.length)
  const requests = REQUESTS_PER_COMPARISON * (1 + arms) * each.length + faults
  const sum = each.reduce((total, usd) => total + usd, 0)
  const usd = each.length === 0 ? 0 : (requests * sum) / each.length
  return { requests, usd, limitUsd: settings.limitUsd }
}

/** The judge of a plan; null: equality decides, as it does for sentences where there is no judge. */
export const planJudge = (
  deps: Deps,
  { model, version }: Pick<Template, 'model' | 'version'>,
  planned: JudgedPlan
): PlannedJudge | null => {
  const { judge, log } = deps
  if (judge === null || !mayBeJudged(planned)) return null
  if (whyNoJudge(deps, model) !== null) return null
  const price = deps.priceOf(judge.model)
  if (price === null) return null
  const { name } = judge.rubric
  const expected = expectedJudgeCost(
    { ...judge, limitUsd: deps.config.proofUsd ?? 0 },
    price,
    planned
  )
  const plan = { model: judge.model, rubric: name, rubricDigest: rubricDigest(judge.rubric) }
  const data = { template: version, requests: expected.requests }
  const level = expected.usd > expected.limitUsd ? 'warn' : 'info'
  log({ level, message: judgeCostText({ ...plan, expected }), data })
  return { ...plan, expected }
}
