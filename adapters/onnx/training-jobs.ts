/**
 * Runs training jobs in child processes. A child that dies is started again from its checkpoint.
 */
import { join } from 'node:path'
import type { TrainHooks, TrainResult } from '../host/backend.ts'
import { writeInFolder } from '../host/disk.ts'
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

const writeTask = async (task: LoraTask | HeadTask): Promise<string> => {
  await writeInFolder(task.checkpointDir, 'task.json', Buffer.from(JSON.stringify(task)))
  return join(task.checkpointDir, 'task.json')
}

/**
 * @param requestOf the message that starts a child's work
 * @param onStart told the process id of every child
 * @throws AppError as `withRestarts`
 */
export const runTrainingJob = async (
  task: LoraTask | HeadTask,
  requestOf: (taskFile: string) => ChildRequest,
  hooks: TrainHooks,
  onStart: (pid: number | undefined) => void = () => undefined
): Promise<TrainResult> => {
  const request = requestOf(await writeTask(task))
  return withRestarts(() => runOnce(request, hooks, onStart), hooks, {
    code: 'internal',
    advice: 'is there enough memory?',
  })
}
