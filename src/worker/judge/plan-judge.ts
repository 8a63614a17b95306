/** Whether a judge may vouch for a template's answers, and for which answers one is needed. */
import { familyOf } from '../../core/judge/family.ts'
import { rubricDigest } from '../../core/judge/judge-prompt.ts'
import type { PlannedJudge } from '../../core/internalization/internalization.ts'
import type { ResponseType } from '../../core/answer/response-type.ts'
import type { WorkerDeps } from '../deps.ts'

type Deps = Pick<WorkerDeps, 'judge' | 'askUpstream' | 'replayUpstream' | 'priceOf' | 'config'>

/** @param model of the upstream @returns what is missing, with advice; null: a judge may vouch for its answers */
export const whyNoJudge = (
  { judge, askUpstream, replayUpstream, priceOf, config }: Deps,
  model: string
): string | null => {
  if (judge === null) return 'name one with JUDGE_MODEL and JUDGE_USD'
  if (askUpstream === null || replayUpstream === null)
    return 'set UPSTREAM_API_KEY, with which the judge is asked and second answers are bought'
  if (config.upstreamReplays !== null)
    return 'unset UPSTREAM_REPLAYS, since a judge needs two answers of today to every held-out request'
  if (priceOf(judge.model) === null) return `add a price of ${judge.model} to PRICES_FILE`
  if (!judge.mayBeOfSameFamily && familyOf(judge.model) === familyOf(model))
    return (
      `name a judge of another maker than ${model}, since models prefer answers like their own, ` +
      'or set JUDGE_SAME_FAMILY=true'
    )
  return null
}

/** Types of answers that can be right in other words. */
const WRITTEN: ReadonlySet<ResponseType> = new Set(['free-text', 'short-text'])

/**
 * The judge of a plan; null: equality decides, as it does for sentences where there is no judge.
 * @param hasForm of a form that a field head fills, whose answers are compared as they are
 */
export const planJudge = (
  deps: Deps,
  model: string,
  { responseType, hasForm }: { responseType: ResponseType; hasForm: boolean }
): PlannedJudge | null => {
  const { judge } = deps
  if (judge === null || hasForm || !WRITTEN.has(responseType)) return null
  if (whyNoJudge(deps, model) !== null) return null
  const { name } = judge.rubric
  return { model: judge.model, rubric: name, rubricDigest: rubricDigest(judge.rubric) }
}
