/** The counters that every training has, and the figures that are reported of them. */
import type { TrainingMetrics } from '../../../src/openai/fine-tuning.ts'
import type { JobCounters } from './checkpoint.ts'

export type TrainingCounters = Omit<JobCounters, 'validations'>

/** Of a job that begins. */
export const newCounters = (): TrainingCounters => ({
  step: 0,
  elapsedSeconds: 0,
  stepSeconds: 0,
  tokens: 0,
  recentLosses: [],
  validLoss: null,
})

export const tokensPerSecond = ({ tokens, stepSeconds }: TrainingCounters): number =>
  stepSeconds > 0 ? tokens / stepSeconds : 0

/** @param validLoss of the result, nats */
export const metricsOf = (
  counters: TrainingCounters,
  validLoss: number | null
): TrainingMetrics => ({
  steps: counters.step,
  seconds: counters.elapsedSeconds,
  tokens_per_second: tokensPerSecond(counters),
  train_loss:
    counters.recentLosses.reduce((sum, loss) => sum + loss, 0) /
    (counters.recentLosses.length || 1),
  valid_loss: validLoss,
  peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
})
