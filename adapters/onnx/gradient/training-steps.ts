/** The steps of a training on the CPU, with its checkpoints and what is told of it. Knows no graphs and no rows. */
import type { TrainHooks } from '../../host/backend.ts'
import { tokensPerSecond, type TrainingCounters } from './checkpoint.ts'

/** number of last steps of which the reported training loss is the mean */
const RECENT_STEPS = 20

export interface TrainingSteps {
  hooks: TrainHooks
  /** milliseconds */
  now: () => number
  checkpointSeconds: number
  totalSteps: number
  /** training ends after this time at the latest */
  maxSeconds: number
  counters: TrainingCounters
  /** One optimizer step. @returns the loss */
  step(): Promise<number>
  /** Behind every step: judges what it gave, where that is due. */
  judge(): Promise<void>
  /** whether it ends before its last step */
  isOver(): boolean
  /** Writes a checkpoint. */
  save(): Promise<void>
}

/**
 * Share of the training that is done, by steps or by time; the larger of the two.
 * @param ahead steps beyond those that are done
 */
export const progressOf = (
  {
    totalSteps,
    maxSeconds,
    counters,
  }: Pick<TrainingSteps, 'totalSteps' | 'maxSeconds' | 'counters'>,
  ahead = 0
): number =>
  Math.min(1, Math.max((counters.step + ahead) / totalSteps, counters.elapsedSeconds / maxSeconds))

const report = (steps: TrainingSteps, trainLoss: number): void => {
  const { hooks, totalSteps, counters } = steps
  const progress = steps.isOver() ? 1 : progressOf(steps)
  hooks.onProgress({
    step: counters.step,
    total_steps: totalSteps,
    tokens_per_second: tokensPerSecond(counters),
    train_loss: trainLoss,
    valid_loss: counters.validLoss,
    eta_seconds: (counters.elapsedSeconds / progress) * (1 - progress),
  })
}

/** Runs them to the end. @throws the signal's reason when it is aborted, after a checkpoint */
export const runSteps = async (steps: TrainingSteps): Promise<void> => {
  const { hooks, now, checkpointSeconds, counters } = steps
  const base = counters.elapsedSeconds
  const startedAt = now()
  let savedAt = startedAt
  while (progressOf(steps) < 1 && !steps.isOver()) {
    if (hooks.signal.aborted) {
      await steps.save()
      throw hooks.signal.reason
    }
    const stepStart = now()
    const loss = await steps.step()
    counters.step++
    counters.stepSeconds += (now() - stepStart) / 1000
    counters.recentLosses = [...counters.recentLosses, loss].slice(-RECENT_STEPS)
    await steps.judge()
    counters.elapsedSeconds = base + (now() - startedAt) / 1000
    report(steps, loss)
    if (now() - savedAt >= checkpointSeconds * 1000) {
      await steps.save()
      savedAt = now()
    }
  }
}
