/** Runs a trainer in Python on a task's file and reads its lines. Knows nothing of models. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { AppError, type ErrorCode } from '../../src/errors.ts'
import type { TrainingMetrics } from '../../src/openai/fine-tuning.ts'
import type { TrainHooks } from '../host/backend.ts'
import { type ProcessEnd, withRestarts } from '../lora/restarts.ts'

/** Time for the current step, which may take seconds, and the checkpoint after it. */
const STOP_GRACE_MS = 15_000
/** Another try, perhaps on another machine, may have more memory. */
const OUT_OF_MEMORY =
  'SIGKILL is mostly the system’s, for want of memory: give it more, set ENGINE_MAX_TRAINING_TOKENS lower, or use a smaller model'

export interface Trained {
  trainedTokens: number
  metrics: TrainingMetrics
  /** log-probabilities of the probes' completions, without the lora and with it */
  probe: { base: number[]; lora: number[] }
}

/** As `train.py` writes them. */
type Line =
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
  | { kind: 'conditions'; conditions: string[] }
  | {
      kind: 'trained'
      trained_tokens: number
      metrics: TrainingMetrics
      probe: Trained['probe']
    }
  | { kind: 'failed'; error: { code: ErrorCode; message: string } }

/** Null for half a line of a process that was killed, and for what a library prints. */
const parseLine = (text: string): Line | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'kind' in value ? (value as Line) : null
  } catch {
    return null
  }
}

export interface TrainerCommand {
  /** a Python with the trainer's packages */
  python: string
  /** `train.py` */
  script: string
  /** told what keeps the trainer waiting, as names; all that holds */
  onConditions?(conditions: string[]): void
  /** what to do about a process that keeps dying */
  advice?: string
}

const runOnce = async (
  { python, script, onConditions }: TrainerCommand,
  taskFile: string,
  hooks: TrainHooks
): Promise<ProcessEnd<Trained>> => {
  // its stdin ends with this process, and it with its stdin
  const child = spawn(python, [script, taskFile], { stdio: ['pipe', 'pipe', 'inherit'] })
  child.stdin.on('error', () => undefined)
  let end: ProcessEnd<Trained> | null = null
  let step = 0
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = parseLine(text)
    if (line?.kind === 'progress') {
      step = line.step
      hooks.onProgress({
        step,
        totalSteps: line.total_steps,
        tokensPerSecond: line.tokens_per_second,
        trainLoss: line.train_loss,
        validLoss: line.valid_loss,
        etaSeconds: line.eta_seconds,
      })
    } else if (line?.kind === 'message') hooks.onMessage(line.level, line.message)
    else if (line?.kind === 'conditions') onConditions?.(line.conditions)
    else if (line?.kind === 'trained')
      end = {
        result: { trainedTokens: line.trained_tokens, metrics: line.metrics, probe: line.probe },
      }
    else if (line?.kind === 'failed')
      end = { error: new AppError(line.error.code, line.error.message) }
  })
  let killer: NodeJS.Timeout | undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    killer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
  }
  if (hooks.signal.aborted) stop()
  hooks.signal.addEventListener('abort', stop, { once: true })
  const died = await new Promise<string>((resolve) => {
    // `close` comes when its lines have been read as well
    child.once('close', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => {
      end = { error: new AppError('invalid-config', `${python} cannot be run: ${error.message}`) }
      resolve(error.message)
    })
  })
  clearTimeout(killer)
  onConditions?.([])
  hooks.signal.removeEventListener('abort', stop)
  return end ?? { died, step }
}

/** @throws AppError what training throws, and as `withRestarts` */
export const runTrainer = (
  command: TrainerCommand,
  taskFile: string,
  hooks: TrainHooks
): Promise<Trained> =>
  withRestarts(() => runOnce(command, taskFile, hooks), hooks, {
    code: 'engine-unavailable',
    advice: command.advice ?? OUT_OF_MEMORY,
  })
