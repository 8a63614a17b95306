/** What a judge said of the answers in one row of an evaluation, and how the row then counts. Pure. */
import type { FreshAnswers } from '../gate/figures.ts'
import { rejectionsOf, type ComparedAnswer } from './verdict.ts'

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
