/** Live figures of a stage in training, or of a judge, in the snapshot `progressSnapshot` until the next ones. */
import type { JobObject } from '../../openai/fine-tuning.ts'

export interface StageProgress {
  arm: number
  stage: number
  jobId: string
  status: JobObject['status']
  /** of the engine; null before its first event */
  message: string | null
  /** step, total_steps, train_loss, eta_seconds, …; null before the first ones */
  metrics: Record<string, number | null> | null
  /** milliseconds since the epoch */
  at: number
}

/** While a judge is asked, in the same snapshot. */
export interface JudgeProgress {
  /** the upstream's second answers, the planted faults, or the small model's answers */
  compares: 'second' | 'planted' | 'adapted'
  done: number
  of: number
  /** milliseconds since the epoch */
  at: number
}
