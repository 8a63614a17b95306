/** An internalization with what is known beside it, as API, command line and page have it. */
import { z } from '@hono/zod-openapi'
import type { Verdict } from '../core/gate/gate.ts'
import {
  progressSnapshot,
  winningLora,
  type Internalization,
  type InternalizationPlan,
} from '../core/internalization/internalization.ts'
import { stateReason } from '../core/internalization/change-reason.ts'
import type { Reason } from '../core/reason.ts'
import { sayReason } from '../core/reasons/say-reason.ts'
import type { JudgeProgress, StageProgress } from '../core/internalization/stage-progress.ts'
import { FAULTS } from '../core/judge/planted-faults.ts'
import { AppError } from '../errors.ts'
import { findInternalization } from '../lifecycle/find.ts'
import { readJudge, type JudgeReading } from '../lifecycle/read-judge.ts'
import { readRolloutReport, routeSteps } from '../lifecycle/rollout-report.ts'
import { judgeUsd } from '../savings/model-proof.ts'
import { readJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'
import {
  borderSchema,
  coverageChangeSchema,
  coverageStepSchema,
  evidenceSchema,
  feedbackCountsSchema,
  rolloutSchema,
  stageSchema,
  withheldSchema,
} from './rollout.ts'
import { reasonSchema, stored, texts, time, usd } from './shape.ts'

const stateSchema = z
  .discriminatedUnion('name', [
    z.object({
      name: z.literal('candidate'),
      successor: z
        .object({
          of: z.string(),
          why: z.enum(['rolled-back', 'drifted', 'new-traffic']),
          since: time.describe('only exchanges from then on train it and judge it'),
        })
        .optional()
        .describe('the one that it follows'),
      retry: z
        .object({ of: z.string(), since: time.optional() })
        .optional()
        .describe('a rejected one that is tried again'),
    }),
    z.object({ name: z.literal('training'), arm: z.number(), stage: z.number() }),
    z.object({ name: z.literal('evaluating') }),
    z.object({ name: z.literal('approval') }),
    z.object({
      name: z.literal('live'),
      stage: stageSchema,
      evidence: evidenceSchema.optional().describe('when the stage began'),
      border: borderSchema.optional().describe('absent: that of the proof'),
      withheld: z.array(withheldSchema).optional().describe('what it no longer answers'),
      coverage: coverageChangeSchema.optional(),
    }),
    z.object({
      name: z.literal('retired'),
      reason: reasonSchema,
      evidence: evidenceSchema
        .optional()
        .describe('of a rollback, after which it cannot go live again'),
    }),
    z.object({
      name: z.literal('rejected'),
      reason: reasonSchema,
      isUntrained: z.literal(true).optional().describe('the reason was found before training'),
    }),
    z.object({ name: z.literal('failed'), reason: reasonSchema }),
  ])
  .openapi('InternalizationState')

const sliceSchema = z.object({
  slice: z.string().describe("'turn 1', 'plan=pro'"),
  rows: z.number(),
  agreement: z.number(),
  lowerBound: z.number().describe('one-sided, 95 %'),
  upstreamAgreement: z.number().describe('with itself'),
  holds: z.boolean(),
})

export const internalizationSummarySchema = z
  .object({
    id: z.string(),
    tenant: z.string(),
    templateVersion: z.string(),
    state: stateSchema,
    says: z.string().nullable().describe('why it is in this state'),
    helps: z.string().nullable().describe('what would help'),
    createdAt: time,
    updatedAt: time,
    result: z
      .object({
        verdict: z.enum(['promote', 'reject']),
        reason: reasonSchema,
        agreement: z.number().describe('if all that may be answered were answered'),
        coverage: z.number(),
        agreementAnswered: z.number(),
        agreementAnsweredBound: z.number().describe('one-sided lower bound'),
        slices: z.array(sliceSchema).describe('of at least 50 answered rows'),
      })
      .nullable()
      .describe('of the winning arm'),
  })
  .openapi('InternalizationSummary')

const judgeSchema = z
  .object({
    planned: z.object({
      model: z.string(),
      rubric: z.string(),
      rubricDigest: z.string(),
      expected: z.object({ requests: z.number(), usd, limitUsd: usd.describe('PROOF_USD') }),
    }),
    spentUsd: usd.describe('without audits'),
    admission: z
      .object({
        judge: z.object({
          model: z.string(),
          version: z.string(),
          rubric: z.string(),
          rubricDigest: z.string(),
        }),
        isAdmitted: z.boolean(),
        level: z.number(),
        faults: z.array(
          z.object({
            fault: z.enum(FAULTS),
            planted: z.number(),
            caught: z.number(),
            bound: z.number().describe('the least share that it catches'),
            isWatched: z.boolean(),
          })
        ),
        falseAlarms: z.object({ pairs: z.number(), alarms: z.number(), upperBound: z.number() }),
        familyError: z.number().describe('chance that any class is named as watched and is not'),
      })
      .nullable(),
    says: texts.describe('the promise, a sentence for each witness'),
    people: z
      .object({
        wanted: z.number(),
        rated: z.number(),
        bad: z.number().describe("the upstream's alone is right"),
        effectiveRows: z.number(),
        upperBound: z.number().describe('of the share of bad answers'),
        result: z.enum(['proved', 'not-proved', 'open']),
        level: z.number(),
      })
      .nullable(),
    audits: z
      .object({
        waitFor: reasonSchema.nullable(),
        audits: z.number().describe('the newest, at most 50'),
        noSecond: z.number().describe('of these, without a second answer'),
      })
      .nullable(),
  })
  .openapi('Judge', { description: 'Who vouches for written answers' })

const historySchema = z
  .object({
    at: time,
    from: stateSchema.nullable(),
    to: stateSchema,
    by: z.string().describe('worker, admin or cli'),
    note: z.string().nullable(),
  })
  .openapi('HistoryEntry')

export const internalizationSchema = internalizationSummarySchema
  .extend({
    revision: z.number(),
    plan: stored<InternalizationPlan>('rows, population, rules for fields, and arms').nullable(),
    holdout: z
      .object({ from: time, until: time, hours: z.number().describe('that have an exchange') })
      .nullable(),
    earlierTries: z.number().nullable().describe('that some of the held-out rows judged'),
    verdict: stored<Verdict>('the decision, its figures, and fields that disagree').nullable(),
    history: z.array(historySchema),
    progress: stored<StageProgress | JudgeProgress>(
      'of the stage in training, or the judge'
    ).nullable(),
    evaluatedRows: z.number().describe('over all arms'),
    rollout: rolloutSchema.nullable().describe('null until the worker has seen it live'),
    coverageSteps: z.array(coverageStepSchema).describe('oldest first'),
    feedback: feedbackCountsSchema.nullable(),
    judge: judgeSchema.nullable().describe('null where equality decides'),
  })
  .openapi('Internalization')

export type InternalizationSummary = z.infer<typeof internalizationSummarySchema>
export type InternalizationView = z.infer<typeof internalizationSchema>

const resultOf = ({ verdict }: Internalization): InternalizationSummary['result'] => {
  const figures = verdict?.arms[verdict.arm]
  if (!verdict || !figures) return null
  const { agreement, coverage, agreementAnswered, agreementAnsweredBound, slices } = figures
  return {
    verdict: verdict.verdict,
    reason: verdict.reason,
    agreement,
    coverage,
    agreementAnswered,
    agreementAnsweredBound,
    slices,
  }
}

const saidOf = (reason: Reason | null): Pick<InternalizationSummary, 'says' | 'helps'> => {
  const { says = null, helps = null } = reason === null ? {} : sayReason(reason)
  return { says, helps }
}

export const internalizationSummary = (row: Internalization): InternalizationSummary => ({
  id: row.id,
  tenant: row.tenant,
  templateVersion: row.templateVersion,
  state: row.state,
  ...saidOf(stateReason(row.state)),
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  result: resultOf(row),
})

/** @param id or the start of it. @throws AppError `not-found`, `conflict` */
export const readInternalization = async (
  store: Pick<Store, 'internalizations'>,
  id: string
): Promise<Internalization> => {
  const found = await findInternalization(store, id)
  if (found === null) throw new AppError('not-found', `there is no internalization ${id}`)
  return found
}

/** Number of held-out answers of the plan's own arms. */
const readEvaluatedRows = async (
  { internalizations }: Pick<Store, 'internalizations'>,
  { id, plan }: Internalization
): Promise<number> => {
  const counts = await internalizations.evaluationCounts(id)
  return (plan?.arms ?? []).reduce((sum, _arm, at) => sum + (counts.get(at) ?? 0), 0)
}

/** Of the stage in training, or of the judge. @returns null in other states, and before the first figures */
export const readProgress = async (
  store: Pick<Store, 'snapshots'>,
  { id, state }: Internalization
): Promise<StageProgress | JudgeProgress | null> => {
  if (state.name !== 'training' && state.name !== 'evaluating') return null
  const progress = await readJsonSnapshot<StageProgress | JudgeProgress>(
    store,
    progressSnapshot(id)
  )
  // of a training that is over
  return progress !== null && 'compares' in progress === (state.name === 'evaluating')
    ? progress
    : null
}

export interface Judged extends JudgeReading {
  /** US dollars of the proof so far, without audits */
  spentUsd: number
}

/** @returns null where equality decides */
export const readJudged = async (store: Store, row: Internalization): Promise<Judged | null> => {
  const reading = await readJudge(store, row)
  return reading && { ...reading, spentUsd: await judgeUsd.read(store, row.id) }
}

/** All that is known of one internalization. */
export const internalizationView = async (
  store: Store,
  row: Internalization
): Promise<InternalizationView> => {
  const lora = winningLora(row)
  const history = await store.internalizations.history(row.id)
  return {
    ...row,
    ...internalizationSummary(row),
    holdout: row.plan?.holdout ?? null,
    earlierTries: row.plan?.earlierTries ?? null,
    history,
    coverageSteps: routeSteps(row, history),
    progress: await readProgress(store, row),
    evaluatedRows: await readEvaluatedRows(store, row),
    rollout: await readRolloutReport(store, row.id),
    feedback: lora === null ? null : await store.feedback.counts(lora),
    judge: await readJudged(store, row),
  }
}
