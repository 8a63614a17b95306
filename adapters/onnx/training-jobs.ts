/**
 * Runs training jobs in child processes. A child that dies is started again from its checkpoint.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TrainHooks, TrainResult } from '../host/backend.ts'
import { storageError } from '../host/disk.ts'
import { type ProcessEnd, withRestarts } from '../lora/restarts.ts'
import type { HeadTask } from '../host/label-head/train-head.ts'
import type { LoraTask } from '../lora/lora-backend.ts'
import { type ChildReport, type ChildRequest, reportedError, startChild } from './child-process.ts'

/** Time for the current step, which may take seconds, and the checkpoint after it. */
const CANCEL_GRACE_MS = 15_000

type Outcome = ProcessEnd<TrainResult>

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
 * @throws AppError as `withRestarts`
 */
export const runTrainingJob = async (
  job: TrainingJob,
  hooks: TrainHooks,
  onStart: (pid: number | undefined) => void = () => undefined
): Promise<TrainResult> => {
  const request = job.request(await writeTask(job.task, job.checkpointDir))
  return withRestarts(() => runOnce(request, hooks, onStart), hooks, {
    code: 'internal',
    advice: 'is there enough memory?',
  })
}
