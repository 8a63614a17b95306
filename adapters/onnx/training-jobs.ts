/**
 * Runs training jobs in child processes. A child that dies is started again from its checkpoint.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../src/errors.ts'
import type { TrainHooks, TrainResult } from '../host/backend.ts'
import { storageError } from '../host/disk.ts'
import type { HeadTask } from '../host/label-head/train-head.ts'
import type { LoraTask } from '../lora/lora-backend.ts'
import type { ChildReport, ChildRequest } from './child-messages.ts'
import { reportedError, startChild } from './child-process.ts'

/** Restarts without progress before a job fails. */
const MAX_RESTARTS = 2
/** Time for the current step, which may take seconds, and the checkpoint after it. */
const CANCEL_GRACE_MS = 15_000

type Outcome = { result: TrainResult } | { error: AppError } | { died: string; step: number }

/** One child from its start to its end. */
const runOnce = async (
  request: ChildRequest,
  hooks: TrainHooks,
  onStart: (pid: number | undefined) => void
): Promise<Outcome> => {
  let outcome: Outcome | null = null
  let step = 0
  const receive = (report: ChildReport): void => {
    if (report.kind === 'progress') {
      step = report.progress.step
      hooks.onProgress(report.progress)
    } else if (report.kind === 'message') hooks.onMessage(report.level, report.message)
    else if (report.kind === 'trained') outcome = { result: report.result }
    else if (report.kind === 'failed') outcome = { error: reportedError(report) }
    if (outcome !== null) child.kill()
  }
  const child = startChild(receive)
  onStart(child.pid)
  let killer: NodeJS.Timeout | undefined
  const cancel = (): void => {
    child.send({ kind: 'cancel' })
    killer = setTimeout(() => child.kill(), CANCEL_GRACE_MS)
  }
  if (hooks.signal.aborted) child.kill()
  hooks.signal.addEventListener('abort', cancel, { once: true })
  child.send(request)
  const died = await child.ended
  clearTimeout(killer)
  hooks.signal.removeEventListener('abort', cancel)
  return outcome ?? { died, step }
}

const writeTask = async (task: LoraTask | HeadTask, folder: string): Promise<string> => {
  const path = join(folder, 'task.json')
  try {
    await mkdir(folder, { recursive: true })
    await writeFile(path, JSON.stringify(task))
  } catch (cause) {
    throw storageError(`${path} cannot be written`, cause)
  }
  return path
}

export interface TrainingJob {
  task: LoraTask | HeadTask
  /** gets the task's file; kept when the job is restarted */
  checkpointDir: string
  /** the message that starts a child's work */
  request(taskFile: string): ChildRequest
}

/**
 * @param onStart told the process id of every child
 * @throws AppError what training throws; `internal` when its process keeps dying; the signal's
 * reason when it is aborted, after a checkpoint
 */
export const runTrainingJob = async (
  job: TrainingJob,
  hooks: TrainHooks,
  onStart: (pid: number | undefined) => void = () => undefined
): Promise<TrainResult> => {
  const request = job.request(await writeTask(job.task, job.checkpointDir))
  let bestStep = 0
  for (let restarts = 0; ; restarts++) {
    const outcome = await runOnce(request, hooks, onStart)
    if ('result' in outcome) return outcome.result
    if (hooks.signal.aborted) throw hooks.signal.reason
    if ('error' in outcome) throw outcome.error
    if (outcome.step > bestStep) {
      bestStep = outcome.step
      restarts = 0
    }
    const what = `the training process died (${outcome.died}) after step ${outcome.step}`
    if (restarts === MAX_RESTARTS)
      throw new AppError('internal', `${what}, ${restarts + 1} times; is there enough memory?`)
    hooks.onMessage('warn', `${what}; it is started again from its checkpoint`)
  }
}
