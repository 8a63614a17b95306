/**
 * What a judge's replies say of a held-out request: whether the adapted answer is rejected against the upstream's first
 * answer, and whether the upstream's second answer is. Both are what the gate compares. Knows nothing of prompts,
 * models or thresholds.
 */
import type { PairOutcome } from '../rollout/pair.ts'
import type { Said } from './judge-prompt.ts'
import type { FreshAnswers } from '../gate/figures.ts'

/**
 * Of one comparison, asked in both orders. `flipped`: the replies contradict each other, so the judge follows the
 * order. `none`: a reply is missing or cannot be read.
 */
export type JudgeVerdict = 'same' | 'different' | 'flipped' | 'none'

/** The result does not depend on which of the two answers was shown first. */
export const verdictOf = (one: Said, other: Said): JudgeVerdict => {
  if (one === 'none' || other === 'none') return 'none'
  return one === other ? one : 'flipped'
}

/** One answer against the upstream's first one. */
export interface ComparedAnswer {
  verdict: JudgeVerdict
  /** it has a fact that neither the request nor the upstream's first answer has, whatever the judge says */
  isFactWrong: boolean
  /** what the judge's replies call themselves, each once; absent: it was not asked, or gave no reply */
  versions?: readonly string[]
}

const isRejected = ({ verdict, isFactWrong }: ComparedAnswer): boolean =>
  isFactWrong || verdict === 'different' || verdict === 'flipped'

/** A held-out or audited request. */
export interface JudgedRequest {
  /** the adapted answer */
  adapted: ComparedAnswer
  /** the upstream's second answer */
  second: ComparedAnswer
}

interface Rejections {
  rejected: boolean
  upstreamRejected: boolean
}

/**
 * Where the judge gave no verdict, the adapted answer is rejected and the upstream's second one is not. The loss is the
 * difference of both rates, so each missing verdict can only raise it: a judge that is away, refuses or prints
 * garbage promotes nothing.
 */
export const rejectionsOf = ({ adapted, second }: JudgedRequest): Rejections => ({
  rejected: isRejected(adapted) || adapted.verdict === 'none',
  upstreamRejected: isRejected(second),
})

/**
 * The same as the outcome of an audit, with the client's answer as the upstream's first one. Here the second answer is
 * needed for every audit: with equality an answer that agrees with both upstream answers makes them agree, so they need
 * not be compared; a judge may accept it beside both and reject the two beside each other
 * (docs/decisions.md#a-judge-is-a-witness).
 */
export const judgedOutcome = (request: JudgedRequest): PairOutcome => {
  const { rejected, upstreamRejected } = rejectionsOf(request)
  if (rejected) return upstreamRejected ? 'upstream-differs' : 'disagreed'
  return upstreamRejected ? 'second-agrees' : 'agreed'
}

export interface JudgedAnswers {
  /** the arm's answer; null where it gave none that a route may give */
  adapted: ComparedAnswer | null
  /** the upstream's second answer of today; null in rows of other arms than the first, and of no held-out request */
  second: ComparedAnswer | null
}

interface JudgedRow {
  agrees: boolean
  agreesToday: boolean | null
  fresh: FreshAnswers | null
  judged: JudgedAnswers | null
}

/** An answer that nobody has compared is no answer that agrees. */
const NOT_COMPARED: ComparedAnswer = { verdict: 'none', isFactWrong: false }

/**
 * The row as the judge sees it, in place of equality. Both upstream answers are of the same day: were the logged one
 * the first, a change of the upstream would count as its noise.
 */
export const asJudged = <Row extends JudgedRow>(row: Row): Row => {
  const { adapted, second } = row.judged ?? { adapted: null, second: null }
  const { rejected, upstreamRejected } = rejectionsOf({
    adapted: adapted ?? NOT_COMPARED,
    second: second ?? NOT_COMPARED,
  })
  return {
    ...row,
    agrees: !rejected,
    agreesToday: row.agreesToday === null ? null : !rejected,
    fresh: row.fresh && { ...row.fresh, repeats: !upstreamRejected },
  }
}
