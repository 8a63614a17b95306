/** The lines that `adapters/trainer/train.py` writes, on stdout or in a report's file. */
import { AppError, type ErrorCode } from '../../src/errors.ts'
import type { TrainingMetrics } from '../../src/openai/fine-tuning.ts'
import type { TrainHooks } from '../host/backend.ts'
import type { Trained } from './launcher.ts'

export type TrainerEnd =
  | {
      kind: 'trained'
      trained_tokens: number
      metrics: TrainingMetrics
      probe: Trained['probe']
      /** of each file of the output */
      output_bytes: Record<string, number>
    }
  | { kind: 'failed'; error: { code: ErrorCode; message: string }; transient: boolean }

type News =
  | {
      kind: 'progress'
      step: number
      total_steps: number
      tokens_per_second: number
      train_loss: number
      valid_loss: number | null
      eta_seconds: number
    }
  | { kind: 'message'; level: 'info' | 'warn'; message: string }

/** `number` only in a report's file. */
export type TrainerLine = (TrainerEnd | News) & { number?: number }

/** Null for half a line of a process that was killed, and for what a library prints. */
export const parseLine = (text: string): TrainerLine | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'kind' in value
      ? (value as TrainerLine)
      : null
  } catch {
    return null
  }
}

export const isEnd = (line: TrainerLine): line is TrainerEnd & { number?: number } =>
  line.kind === 'trained' || line.kind === 'failed'

/** Tells the job what is no end. @returns the step that it has reached, null for a message */
export const passOn = (line: News, hooks: TrainHooks): number | null => {
  if (line.kind === 'message') {
    hooks.onMessage(line.level, line.message)
    return null
  }
  hooks.onProgress({
    step: line.step,
    totalSteps: line.total_steps,
    tokensPerSecond: line.tokens_per_second,
    trainLoss: line.train_loss,
    validLoss: line.valid_loss,
    etaSeconds: line.eta_seconds,
  })
  return line.step
}

export const resultOf = (end: TrainerEnd): { result: Trained } | { error: AppError } =>
  end.kind === 'trained'
    ? {
        result: { trainedTokens: end.trained_tokens, metrics: end.metrics, probe: end.probe },
      }
    : { error: new AppError(end.error.code, end.error.message) }
