/** Runs a trainer in Python on a task's file, as a child of this process. Knows nothing of models. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { AppError } from '../../src/errors.ts'
import { childEnvironment } from '../../src/process/child-environment.ts'
import type { TrainHooks } from '../host/backend.ts'
import { type ProcessEnd, withRestarts } from '../lora/restarts.ts'
import type { Launcher, Trained } from './launcher.ts'
import { isEnd, parseLine, passOn, resultOf } from './trainer-lines.ts'

/** Time for the current step, which may take seconds, and the checkpoint after it. */
const STOP_GRACE_MS = 15_000
/** Another try, perhaps on another machine, may have more memory. */
const OUT_OF_MEMORY =
  'SIGKILL is mostly the system’s, for want of memory: give it more, set ENGINE_MAX_TRAINING_TOKENS lower, or use a smaller model'

/** There is no such file, or it may not be run. */
const NO_PROGRAM = ['ENOENT', 'EACCES']

export interface TrainerCommand {
  /** a Python with the trainer's packages */
  python: string
  /** `train.py` */
  script: string
  /** what to do about a process that keeps dying */
  advice?: string
}

const runOnce = async (
  { python, script }: TrainerCommand,
  taskFile: string,
  hooks: TrainHooks
): Promise<ProcessEnd<Trained>> => {
  // its stdin ends with this process, and it with its stdin
  const child = spawn(python, [script, taskFile], {
    env: childEnvironment(process.env),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  // without a file descriptor there are no pipes, and `error` comes
  child.stdin?.on('error', () => undefined)
  let end: ProcessEnd<Trained> | null = null
  let step = 0
  if (child.stdout)
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = parseLine(text)
      if (line === null) return
      if (isEnd(line)) end = resultOf(line)
      else step = passOn(line, hooks) ?? step
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
    child.once('error', (error: NodeJS.ErrnoException) => {
      const text = `${python} cannot be run: ${error.message}`
      // a want of memory or descriptors may pass
      if (error.code && NO_PROGRAM.includes(error.code))
        end = { error: new AppError('invalid-config', text) }
      resolve(text)
    })
  })
  clearTimeout(killer)
  hooks.signal.removeEventListener('abort', stop)
  return end ?? { died, step }
}

export const createLocalLauncher = (command: TrainerCommand): Launcher => ({
  seenAs: (path) => path,
  run: (task, hooks) =>
    withRestarts(() => runOnce(command, task.file, hooks), hooks, {
      code: 'engine-unavailable',
      advice: command.advice ?? OUT_OF_MEMORY,
    }),
  close: () => Promise.resolve(),
})
