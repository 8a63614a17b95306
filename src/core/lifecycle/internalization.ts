/**
 * The work on one template version: its states, its plan and its history.
 * candidate → training → evaluating → approval → live → retired; ends rejected and failed.
 */
import type { TrainingMethod, TrainingMetrics } from '../../openai/fine-tuning.ts'
import type { AnswerRules } from '../answer/answer-rules.ts'
import type { Repeats } from '../learn/dataset.ts'
import type { Verdict } from '../gate/gate.ts'
import type { Outcome } from '../answer/outcome.ts'
import type { ProvenKinds } from '../route/request-kind.ts'
import type { ArmName, ScheduleName, StagePlan } from '../learn/schedule.ts'

export type InternalizationState =
  | { name: 'candidate' }
  | { name: 'training'; arm: number; stage: number }
  | { name: 'evaluating' }
  | { name: 'approval' }
  | { name: 'live' }
  | { name: 'retired'; reason: string }
  | { name: 'rejected'; reason: string }
  | { name: 'failed'; cause: string }

export interface StageResult {
  jobId: string
  lora: string
  /** tokens of this stage's template text over those of the full template, in the base tokenizer */
  measuredRate: number
  metrics: TrainingMetrics
}

export interface Arm {
  name: ArmName
  stages: StagePlan[]
  /** one entry a finished stage, in order */
  results: StageResult[]
}

/** Every lora that was trained for it, of all arms and stages. */
export const lorasOf = ({ plan }: Internalization): string[] => [
  ...new Set(plan?.arms.flatMap(({ results }) => results.map(({ lora }) => lora))),
]

/** For people: the arm, and which of its stages. */
export const stageName = (arm: Arm, stage: number): string =>
  `${arm.name} ${stage + 1}/${arm.stages.length}`

/** What the log has of a template's exchanges when its internalization is planned. */
export interface Population {
  exchanges: number
  conversations: number
  /** exchanges by how the upstream answered */
  outcomes: Partial<Record<Outcome['kind'], number>>
  repeats: Repeats
  /** training rows left out because the base model's context is too short for them */
  tooLong: number
  /** why no stage has a part of the prompt; null where they were not left out */
  withoutPrompt: string | null
}

/** Fixed when training starts, so that a crash resumes the same plan. */
export interface InternalizationPlan {
  schedule: ScheduleName
  engine: string
  baseModel: string
  seed: number
  trainRecordIds: string[]
  /** the sample of traffic as it comes */
  holdoutRecordIds: string[]
  /** the sample of questions that training does not have; shares records with the one of traffic */
  unseenRecordIds: string[]
  /** of all exchanges that the samples were drawn from */
  population: Population
  /** the kinds of requests that the sample of traffic contains */
  kinds: ProvenKinds
  answers: AnswerRules
  /** segment order for compression: indices into the template's segments, least effect first */
  dropOrder: number[]
  /** tokens of the full template text in the base model's tokenizer */
  templateTokens: number
  /** absent in plans from before there was a choice: supervised */
  method?: TrainingMethod
  arms: Arm[]
}

/** Records of both samples, each once, those of traffic first. */
export const heldOutIds = ({
  holdoutRecordIds,
  unseenRecordIds,
}: InternalizationPlan): string[] => [...new Set([...holdoutRecordIds, ...unseenRecordIds])]

/** Training rows that no optimizer step sees: the newest, at most so many and of all this share. */
const MAX_VALIDATION_ROWS = 64
const VALIDATION_SHARE = 0.05

/**
 * Of the training rows, the newest. The engine measures its validation loss on them, and the
 * confidence statistic is chosen by them.
 */
export const validationCount = (rows: number): number =>
  Math.min(MAX_VALIDATION_ROWS, Math.floor(rows * VALIDATION_SHARE))

/** Requests that an evaluation asks of all arms together. */
export const evaluationRows = (plan: InternalizationPlan): number =>
  (heldOutIds(plan).length + validationCount(plan.trainRecordIds.length)) * plan.arms.length

/**
 * False for a plan of an earlier version, which knew neither population nor kinds of requests: what
 * comes of it is not proven for what a route answers today.
 */
export const isCurrentPlan = (plan: InternalizationPlan | null): boolean =>
  plan === null || (plan as Partial<InternalizationPlan>).kinds !== undefined

export interface Internalization {
  id: string
  tenant: string
  templateVersion: string
  state: InternalizationState
  createdAt: number
  updatedAt: number
  plan: InternalizationPlan | null
  verdict: Verdict | null
  /** optimistic lock: a save with a stale revision is refused */
  revision: number
}

export interface HistoryEntry {
  at: number
  from: InternalizationState | null
  to: InternalizationState
  /** who or what caused it: `worker`, `admin`, `cli` */
  by: string
}

/** What the operator decides about all internalizations. */
export interface InternalizeOptions {
  /** distinct sessions that make a template */
  minSessions: number
  /** start by itself when a template has enough exchanges */
  auto: boolean
  /** go live without a person's approval */
  autoPromote: boolean
  trainRows: number
  holdoutRows: number
  /** training time of all arms together; null: no limit */
  trainSeconds: number | null
  /** `auto`: self-distillation where the engine holds the upstream's weights */
  method: 'auto' | 'supervised'
  schedule: ScheduleName
  stages: number
  /** train without the prompt from the start, too, beside the schedule */
  queryOnlyArm: boolean
  /** examples retrieved for a row of the first stage */
  examples: number
  seed: number
  margin: number
  minCoverage: number
  /** held-out requests that the upstream is asked once more */
  upstreamReplays: number
  trafficShare: number
}

/** Name of the snapshot with the live figures of a stage in training. */
export const progressSnapshot = (internalizationId: string): string =>
  `progress:${internalizationId}`

/** @param now milliseconds since the epoch */
export const newInternalization = (
  id: string,
  template: { tenant: string; version: string },
  now: number
): Internalization => ({
  id,
  tenant: template.tenant,
  templateVersion: template.version,
  state: { name: 'candidate' },
  createdAt: now,
  updatedAt: now,
  plan: null,
  verdict: null,
  revision: 0,
})
