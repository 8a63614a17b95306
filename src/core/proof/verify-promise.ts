/**
 * The check of the constants that a file states: with a level of 0.9999, a margin of 100 points or no bursts, any
 * rows prove a promise. The constants of one file are compared with those that the verifier expects.
 */
import type { JudgeFacts } from '../judge/admission.ts'
import { admissionText, judgePromiseText } from '../judge/promise.ts'
import { ruleNames, type FieldRule } from '../answer/field-rules.ts'
import { checkerName } from '../gate/checker.ts'
import { ALPHA, levelOfTry, tryOfLevel } from '../gate/gate.ts'
import { percent } from '../figure-text.ts'
import { check, type Check } from './check.ts'
import type { ProofFile } from './proof-file.ts'

/** What an operator may set. */
export interface PromiseConstants {
  /** agreement that may be lost, 0 to 1 */
  margin: number
  /** see `createEffectiveRows` */
  burstMinutes: number
  /** capitals at which a route is rolled back and its next stage begins */
  rollbackCapital: number
  stepCapital: number
  /** whether the operator may have said of fields that they are not, or not exactly, compared */
  acceptsFieldRules: boolean
  /** whether a checker of the operator may have compared the answers */
  acceptsChecker: boolean
  /** whether a judge may have compared the answers */
  acceptsJudge: boolean
}

/** Those of the documents, and the defaults of the settings. */
export const PROMISE: PromiseConstants = {
  margin: 0.05,
  burstMinutes: 5,
  rollbackCapital: 300,
  stepCapital: 20,
  acceptsFieldRules: false,
  acceptsChecker: false,
  acceptsJudge: false,
}

/** All of them: who accepts rules has to see each. */
const rulesText = (rules: readonly FieldRule[]): string => ruleNames(rules).join(', ')

/** In sentences. Ratings of people and outcomes are no part of a file, so nothing is claimed about either. */
const judgedPromise = ({ decision: { judge, margin, fields }, verdict }: ProofFile): string[] => {
  if (judge?.admission == null) return []
  const { admission } = judge
  const sentences =
    verdict.verdict === 'promote'
      ? judgePromiseText({ admission, margin, fields })
      : admissionText(admission)
  return [...sentences, 'Nothing is claimed about people or users.']
}

const judgeName = ({ admission }: JudgeFacts): string =>
  admission === null ? 'a judge' : `judge ${admission.judge.model}`

const ofDecision = (
  { alpha, margin, burstMs, fields = [], judge, checker }: ProofFile['decision'],
  expected: PromiseConstants
): string[] => [
  ...(tryOfLevel(alpha) === null
    ? [
        `its level of ${alpha} is not the level of any try: the first try has ${percent(levelOfTry(0))}`,
      ]
    : []),
  ...(margin > expected.margin
    ? [`its margin of ${percent(margin)} is wider than ${percent(expected.margin)}`]
    : []),
  ...(burstMs < 60_000 * expected.burstMinutes
    ? [`its bursts of ${burstMs / 60_000} minutes are shorter than ${expected.burstMinutes}`]
    : []),
  ...(fields.length > 0 && !expected.acceptsFieldRules
    ? [`it has rules for fields, which leave less to agree: ${rulesText(fields)}`]
    : []),
  ...(checker !== undefined && !expected.acceptsChecker
    ? [`its answers need not be equal: the operator vouches for ${checkerName(checker)}`]
    : []),
  ...(judge !== undefined && !expected.acceptsJudge
    ? [`it is about what ${judgeName(judge)} accepts, not about equal answers`]
    : []),
]

const ofRollout = (
  { rollbackCapital, stepCapital }: Pick<PromiseConstants, 'rollbackCapital' | 'stepCapital'>,
  expected: PromiseConstants
): string[] => [
  ...(rollbackCapital === expected.rollbackCapital
    ? []
    : [`it is rolled back at a capital of ${rollbackCapital}, not ${expected.rollbackCapital}`]),
  ...(stepCapital < expected.stepCapital
    ? [`its stages begin at a capital of ${stepCapital}, below ${expected.stepCapital}`]
    : []),
]

const said = (file: ProofFile): string => {
  const { decision, rollout } = file
  const { alpha, margin, burstMs, fields = [], judge, checker } = decision
  const witness =
    (judge === undefined ? '' : `, ${judgeName(judge)}`) +
    (checker === undefined ? '' : `, ${checkerName(checker)}`)
  const rules = fields.length === 0 ? '' : `, rules for fields: ${rulesText(fields)}`
  const tests =
    `try ${tryOfLevel(alpha)} at ${percent(alpha)} of the ${percent(ALPHA)} of all tries, a margin of ` +
    `${percent(margin)}, bursts of ${burstMs / 60_000} minutes${rules}${witness}`
  const words = judgedPromise(file)
    .map((sentence, place) => (place === 0 ? `. ${sentence}` : ` ${sentence}`))
    .join('')
  if (rollout === null) return tests + words
  const { rollbackCapital, stepCapital } = rollout.report
  return `${tests}; a rollback at a capital of ${rollbackCapital}, stages at ${stepCapital}${words}`
}

/** Whether the file's constants are at least as strict as the expected ones. */
export const promiseCheck = (file: ProofFile, expected: PromiseConstants): Check => {
  const faults = [
    ...ofDecision(file.decision, expected),
    ...(file.rollout === null ? [] : ofRollout(file.rollout.report, expected)),
  ]
  const isKept = faults.length === 0
  return check('promise', isKept, isKept ? said(file) : '', `weaker: ${faults.join('; ')}`)
}
