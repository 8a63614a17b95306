/**
 * The fake engine's training: it counts steps, writes checkpoints for a restart, and makes a table at
 * the end.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import type { TrainHooks, TrainInput, TrainResult } from '../host/backend.ts'
import { writeInFolder } from '../host/disk.ts'
import { countMessages } from './generate.ts'
import type { Loras } from './loras.ts'
import type { Memory } from './memory.ts'

/** Read at every call: a test may change them while the engine runs. */
export interface FakeFaults {
  /** every completion answers 503 */
  unavailable?: boolean
  /** training fails when it reaches this step */
  failAtStep?: number
  /** generation fails after so many tokens */
  dieAfterTokens?: number
  firstTokenMs?: number
  tokenMs?: number
  stepMs?: number
}

export interface FakeTrainDeps {
  /** of the model to start from */
  memory: Memory
  base: string
  checkpointSteps: number
  faults: FakeFaults
  loras: Loras
  now: () => number
}

/** Waits `ms`, or for one tick of the event loop. @throws the abort reason when aborted */
export const pause = async (ms: number | undefined, signal: AbortSignal): Promise<void> => {
  await (ms ? setTimeout(ms, undefined, { signal }) : setImmediate())
  signal.throwIfAborted()
}

const DEFAULT_BATCH_SIZE = 8
const DEFAULT_EPOCHS = 3

const totalSteps = ({ rows, hyperparameters }: TrainInput): number => {
  const { max_steps, n_epochs = DEFAULT_EPOCHS, batch_size = DEFAULT_BATCH_SIZE } = hyperparameters
  return max_steps ?? Math.ceil((rows.length * n_epochs) / batch_size)
}

const readCheckpoint = async (dir: string): Promise<number> => {
  try {
    return (JSON.parse(await readFile(join(dir, 'checkpoint.json'), 'utf8')) as { step: number })
      .step
  } catch {
    // none, or killed while it was written: training starts over
    return 0
  }
}

const writeCheckpoint = (dir: string, step: number): Promise<void> =>
  writeInFolder(dir, 'checkpoint.json', Buffer.from(JSON.stringify({ step })))

const mean = (values: number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Falls from 3 nats; the shape is for progress displays, the last figure is measured. */
const lossAt = (step: number, total: number): number => 3 * Math.exp((-3 * step) / total)

/** @throws AppError `internal` at the step that the faults name, the abort reason when aborted */
export const trainFake = async (
  input: TrainInput,
  hooks: TrainHooks,
  deps: FakeTrainDeps
): Promise<TrainResult> => {
  const { checkpointDir, rows, validationRows, hyperparameters, seed, suffix } = input
  const { faults, loras, base, now, checkpointSteps } = deps
  const total = totalSteps(input)
  const startedAt = now()
  const maxMs = (hyperparameters.max_seconds ?? Infinity) * 1000
  const memory = deps.memory.with(rows)
  const validLoss = validationRows.length
    ? mean(validationRows.map((row) => memory.rowLoss(row)))
    : null
  const rowTokens = mean(rows.map((row) => countMessages(row.messages)))
  const stepTokens = rowTokens * (hyperparameters.batch_size ?? DEFAULT_BATCH_SIZE)
  let step = await readCheckpoint(checkpointDir)
  const firstStep = step
  if (step > 0) hooks.onMessage('info', `Goes on from step ${step}`)
  const seconds = () => Math.max(0.001, (now() - startedAt) / 1000)
  const speed = () => ((step - firstStep) * stepTokens) / seconds()
  while (step < total && now() - startedAt < maxMs) {
    await pause(faults.stepMs, hooks.signal)
    step += 1
    if (step === faults.failAtStep)
      throw new AppError('internal', `the fake training fails at step ${step}, as told`)
    if (step % checkpointSteps === 0) await writeCheckpoint(checkpointDir, step)
    hooks.onProgress({
      step,
      total_steps: total,
      tokens_per_second: speed(),
      train_loss: lossAt(step, total),
      valid_loss: step === total ? validLoss : null,
      eta_seconds: ((total - step) * seconds()) / (step - firstStep),
    })
  }
  const content = { base, parent: input.model, seed, suffix, table: memory.entries }
  return {
    model: await loras.save(content, Math.floor(now() / 1000)),
    trainedTokens: Math.round(step * stepTokens),
    metrics: {
      steps: step,
      seconds: seconds(),
      tokens_per_second: speed(),
      train_loss: mean(rows.map((row) => memory.rowLoss(row))),
      valid_loss: validLoss,
      peak_memory_bytes: process.memoryUsage.rss(),
    },
  }
}
