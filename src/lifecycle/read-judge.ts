/** Reads what vouches for a judged internalization: its judge, people and users, in figures and in words. */
import type { Reason } from '../core/reason.ts'
import { reasonText } from '../core/reasons/say-reason.ts'
import { dollars } from '../core/figure-text.ts'
import {
  winningLora,
  type Internalization,
  type PlannedJudge,
} from '../core/internalization/internalization.ts'
import type { Admission } from '../core/judge/admission.ts'
import type { PeopleFigures } from '../core/judge/people.ts'
import { admissionText, promiseText } from '../core/judge/promise.ts'
import type { Store } from '../store/store.ts'
import { readPeople } from './ratings/people.ts'
import { readAuditWait, readRolloutReport, type RolloutReport } from './rollout-report.ts'

/** What a judge is expected to cost, beside what it may. */
export const judgeCostText = ({ model, expected }: PlannedJudge): string => {
  const { requests, usd, limitUsd } = expected
  const isOver = usd > limitUsd
  return (
    `${model} compares the answers, in about ${requests} requests for about ${dollars(usd)}; ` +
    `PROOF_USD allows ${dollars(limitUsd)}${isOver ? ', so the proof is likely to end without a verdict: raise it' : ''}`
  )
}

/** Audits of a judged route without its judge's word. */
export interface JudgedAudits {
  /** why they wait; null: they do not */
  waitFor: Reason | null
  /** the newest */
  audits: number
  noSecond: number
}

/** Why audits are no evidence, and what to do. @returns sentences; none where nothing is in the way */
export const lostAuditsText = ({ waitFor, audits, noSecond }: JudgedAudits): string[] => [
  ...(waitFor === null
    ? []
    : [
        `Audits wait: ${reasonText(waitFor)}. Until then the route keeps its share, enters no further stage and is not watched. ` +
          'If the judge has changed for good, internalize the prompt again: this admits it as it is now.',
      ]),
  ...(noSecond === 0
    ? []
    : [
        `${noSecond} of the newest ${audits} audits have no second answer of the upstream, and are no evidence. ` +
          'Check that UPSTREAM_API_KEY may still be used for the model of the prompt.',
      ]),
]

export interface JudgeReading {
  planned: PlannedJudge
  /** null before the verdict, and where it was not asked to the end */
  admission: Admission | null
  /** the promise, one text for each witness; of a rejected one what is known of its judge */
  says: string[]
  /** null before an answer was audited */
  people: PeopleFigures | null
  /** null before it was live */
  audits: JudgedAudits | null
}

const NEWEST_AUDITS = 50

type Stores = Pick<Store, 'pairs' | 'internalizations' | 'snapshots'>

const readAudits = async (stores: Stores, id: string, lora: string): Promise<JudgedAudits> => {
  const newest = await stores.pairs.list({ lora, limit: NEWEST_AUDITS })
  return {
    waitFor: await readAuditWait(stores, id),
    audits: newest.length,
    noSecond: newest.filter(({ reason }) => reason === 'no-second').length,
  }
}

const sayPromise = (
  { verdict, plan }: Internalization,
  people: PeopleFigures | null,
  rollout: RolloutReport | null
): string[] => {
  const admission = verdict?.judge
  if (!verdict || admission === undefined) return []
  if (verdict.verdict === 'reject') return admissionText(admission)
  const feedback = rollout?.feedback
  const isReported = feedback && feedback.conversations.lora + feedback.conversations.audit > 0
  const users = isReported ? feedback : null
  const { margin } = verdict
  const fields = plan?.answers.fields
  return promiseText({ admission, margin, fields, people, users })
}

/** @returns null where equality decides */
export const readJudge = async (
  stores: Stores,
  internalization: Internalization
): Promise<JudgeReading | null> => {
  const { id, plan, verdict } = internalization
  if (plan?.judge === undefined) return null
  const lora = winningLora(internalization)
  const people = await readPeople(stores, internalization)
  const rollout = await readRolloutReport(stores, id)
  return {
    planned: plan.judge,
    admission: verdict?.judge ?? null,
    says: sayPromise(internalization, people, rollout),
    people,
    audits: lora !== null && rollout !== null ? await readAudits(stores, id, lora) : null,
  }
}
