/** Runs one training: a local process, SkyPilot or dstack does it. */
import type { TrainingMetrics } from '../../src/openai/fine-tuning.ts'
import type { TrainHooks } from '../host/backend.ts'

/** What `adapters/trainer/train.py` is given. */
export interface LaunchTask {
  /** `task.json`, in the folder of the job's checkpoints */
  file: string
  /** tasks with equal identities compute the same lora */
  identity: string
}

export interface Trained {
  trainedTokens: number
  metrics: TrainingMetrics
  /** log-probabilities of the probes' completions, without the lora and with it */
  probe: { base: number[]; lora: number[] }
}

export interface Launcher {
  /** @returns the path under which the trainer sees a path of this machine */
  seenAs(path: string): string
  /**
   * Trains from the checkpoint where there is one; the task's `output` is whole when it resolves.
   * @throws AppError what training throws, and as `withRestarts`; the signal's reason
   */
  run(task: LaunchTask, hooks: TrainHooks): Promise<Trained>
  close(): Promise<void>
}
