/** An internalization of written answers, for which a judge vouches. */
import { admit, type Admission } from '../../../src/core/judge/admission.ts'
import { FAULTS, type Fault } from '../../../src/core/judge/planted-faults.ts'
import type { Internalization } from '../../../src/core/internalization/internalization.ts'
import { exampleApproved } from './examples.ts'

export const JUDGE = {
  model: 'judge-large',
  version: 'judge-large-2026-11',
  rubric: 'same-answer-1',
  rubricDigest: 'ab'.repeat(32),
}

/** Of its requests for one proof. */
export const JUDGE_COST = { requests: 6_600, usd: 2.5, limitUsd: 5 }

/** @param missed of 200 planted faults of a class @param alarms of 200 sound answers */
export const exampleAdmission = (
  missed: Partial<Record<Fault, number>> = {},
  alarms = 3
): Admission =>
  admit({
    judge: JUDGE,
    faults: FAULTS.map((fault) => ({ fault, planted: 200, caught: 200 - (missed[fault] ?? 0) })),
    fair: { pairs: 200, alarms },
    earlierTries: 0,
  })

/** As `exampleApproved`, with free text. */
export const exampleJudgedRoute = (
  id: string,
  {
    admission = exampleAdmission({ date: 12 }),
    ...changes
  }: Partial<Internalization> & {
    admission?: Admission
  } = {}
): Internalization => {
  const { plan, verdict, ...row } = exampleApproved(id)
  const { version: _version, ...planned } = JUDGE
  return {
    ...row,
    plan: {
      ...plan!,
      answers: { ...plan!.answers, responseType: 'free-text', labels: null },
      judge: { ...planned, expected: JUDGE_COST },
    },
    verdict: { ...verdict!, responseType: 'free-text', judge: admission },
    ...changes,
  }
}
