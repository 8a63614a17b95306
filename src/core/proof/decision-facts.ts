/**
 * What a verdict is made from: figures of every held-out row, and what was chosen before one was read. It is
 * kept with the verdict, because questions and answers are deleted sooner. Of texts it has the values of
 * slots in the names of slices, as the verdict itself has. Knows nothing of stores or engines.
 */
import type { FieldRule } from '../answer/field-rules.ts'
import type { ResponseType } from '../answer/response-type.ts'
import type { CheckerFacts } from '../gate/checker.ts'
import type { HeldOutRow, JudgedAnswer, SharedRow } from '../gate/figures.ts'
import { decide, type Verdict as GateVerdict } from '../gate/gate.ts'
import { judgeObjection, type Admission, type JudgeFacts } from '../judge/admission.ts'
import {
  compareRoutes,
  replacementObjection,
  routedBy,
  type ComparedRow,
} from '../gate/replacement.ts'
import type { ArmName } from '../learn/schedule.ts'
import type { ConfidenceStatistic } from '../route/confidence.ts'
import { itemAt } from '../lists.ts'
import { winningFigures } from '../internalization/internalization.ts'

/** What was decided, with the judge that compared the answers; absent: they were equal or not. */
export type Verdict = GateVerdict & { judge?: Admission }

export interface HeldOutRecord extends SharedRow {
  /** of the record in the log */
  id: string
}

/** JSON has null for a log-probability that is not finite. */
export type ArmAnswer = Omit<JudgedAnswer, 'logprobSum' | 'logprobMin'> & {
  logprobSum: number | null
  logprobMin: number | null
}

export interface ArmFacts {
  arm: ArmName
  statistic: ConfidenceStatistic
  /** in the order of the records; null where the arm has no answer */
  answers: (ArmAnswer | null)[]
}

/** The live route that a successor would replace. */
export interface PresentFacts {
  /** its internalization */
  id: string
  hasDrifted: boolean
  /** what it makes of the sample of traffic */
  rows: (Omit<ComparedRow, 'successor'> & { record: string })[]
}

export interface DecisionFacts {
  responseType: ResponseType
  /** under which answers were compared, in the words of the operator; absent: all fields count as they are */
  fields?: readonly FieldRule[]
  /** that compared the fresh answers; absent: they were compared by equality */
  judge?: JudgeFacts
  /** of the operator, that vouched for agreement; absent: none did */
  checker?: CheckerFacts
  margin: number
  alpha: number
  minCoverage: number
  /** see `createEffectiveRows` */
  burstMs: number
  /** index of the arm; null: none */
  favouredArm: number | null
  records: HeldOutRecord[]
  /** in the plan's order */
  arms: ArmFacts[]
  /** null where there was no route to replace, or the verdict was a rejection without it */
  present: PresentFacts | null
}

const judged = ({ logprobSum, logprobMin, ...answer }: ArmAnswer): JudgedAnswer => ({
  ...answer,
  logprobSum: logprobSum ?? Number.NaN,
  logprobMin: logprobMin ?? Number.NaN,
})

/** The held-out rows of one arm as the gate judges them. */
export const heldOutRows = (
  records: readonly HeldOutRecord[],
  { answers }: Pick<ArmFacts, 'answers'>
): HeldOutRow[] =>
  records.flatMap(({ id: _id, ...shared }, i) => {
    const answer = answers[i] ?? null
    if (answer === null) return []
    // an answer of a forged file must not replace what arms share
    return { ...judged(answer), ...shared }
  })

/** Whether the arm may also replace the present route; its verdict must be to promote. */
const againstPresent = (verdict: Verdict, facts: DecisionFacts, present: PresentFacts): Verdict => {
  const figures = winningFigures(verdict)
  const { answers } = itemAt(facts.arms, verdict.arm)
  const byId = new Map(facts.records.map(({ id }, i) => [id, answers[i] ?? null]))
  const replacement = compareRoutes(
    present.rows.map(({ record, ...row }) => {
      const answer = byId.get(record) ?? null
      return {
        ...row,
        successor: routedBy(figures, answer === null ? undefined : judged(answer)),
      }
    }),
    facts.burstMs
  )
  const { margin } = verdict
  const reason = replacementObjection(replacement, { margin, hasDrifted: present.hasDrifted })
  return { ...verdict, replacement, ...(reason !== null && { verdict: 'reject', reason }) }
}

/** A judge that is not admitted promotes nothing, whatever the arms have shown. */
const underJudge = (verdict: Verdict, judge: JudgeFacts | undefined): Verdict => {
  if (judge === undefined) return verdict
  const reason = judgeObjection(judge)
  return {
    ...verdict,
    ...(judge.admission !== null && { judge: judge.admission }),
    ...(reason !== null && { verdict: 'reject', reason }),
  }
}

/** One that is not that of the plan promotes nothing. */
const underChecker = (verdict: Verdict, checker: CheckerFacts | undefined): Verdict => {
  if (checker === undefined) return verdict
  const reason = checker.hindrance
  return { ...verdict, checker, ...(reason !== null && { verdict: 'reject', reason }) }
}

/** The verdict that follows from the facts; the same facts always give the same one. */
export const decideOn = (facts: DecisionFacts): Verdict => {
  const { records, arms, present } = facts
  const { responseType, judge, checker, margin, alpha, minCoverage, burstMs, favouredArm } = facts
  const verdict = decide({
    // by name: a forged file must not set a rule that is fixed
    responseType,
    isJudged: (judge ?? checker) !== undefined,
    margin,
    alpha,
    minCoverage,
    burstMs,
    favouredArm,
    arms: arms.map(({ arm, statistic, answers }) => ({
      arm,
      statistic,
      rows: heldOutRows(records, { answers }),
    })),
  })
  const allowed = underChecker(underJudge(verdict, judge), checker)
  return present === null || allowed.verdict === 'reject'
    ? allowed
    : againstPresent(allowed, facts, present)
}
