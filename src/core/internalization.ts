/**
 * The work on one template version: its states, its plan and its history.
 * candidate → training → evaluating → approval → live → retired; ends rejected and failed.
 */
import type { Hyperparameters, TrainingMetrics } from '../openai/fine-tuning.ts'
import type { Verdict } from './gate.ts'
import type { ScheduleName } from './schedule.ts'

/** `schedule`: PromptIntern's progressive stages; `query-only`: one stage without the prompt. */
export type ArmName = 'schedule' | 'query-only'

export type InternalizationState =
  | { name: 'candidate' }
  | { name: 'training'; arm: number; stage: number }
  | { name: 'evaluating' }
  | { name: 'approval' }
  | { name: 'live' }
  | { name: 'retired'; reason: string }
  | { name: 'rejected'; reason: string }
  | { name: 'failed'; cause: string }

export interface StagePlan {
  /** share of the template that this stage's prompt still has, 0 to 1 */
  templateShare: number
  /** few-shot examples in this stage's prompt */
  examples: number
  hyperparameters: Hyperparameters
}

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

/** Fixed when training starts, so that a crash resumes the same plan. */
export interface InternalizationPlan {
  schedule: ScheduleName
  engine: string
  baseModel: string
  seed: number
  trainRecordIds: string[]
  holdoutRecordIds: string[]
  /** the known answers when the response type is a label, else null */
  labels: string[] | null
  /** segment order for compression: indices into the template's segments, least effect first */
  dropOrder: number[]
  /** tokens of the full template text in the base model's tokenizer */
  templateTokens: number
  arms: Arm[]
}

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
