/** A child process that is started again when it dies, with growing pauses. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface ChildOptions {
  entry: URL
  arguments: string[]
  env: NodeJS.ProcessEnv
}

export interface SupervisedChild {
  isRunning(): boolean
  /** SIGTERM, then SIGKILL after a grace period. */
  close(): Promise<void>
}

const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 30_000
/** A child that lived this long starts with the first pause again. */
const STABLE_MS = 60_000
const GRACE_MS = 20_000

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

export const startChild = (options: ChildOptions): SupervisedChild => {
  let child: ChildProcess
  let closing = false
  let pauseMs = FIRST_PAUSE_MS
  let timer: NodeJS.Timeout | undefined

  const start = (): void => {
    const startedAt = performance.now()
    const fromSources = options.entry.pathname.endsWith('.ts')
    child = fork(fileURLToPath(options.entry), options.arguments, {
      env: options.env,
      execArgv: fromSources ? ['--import', 'tsx'] : [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    child.on('error', () => {})
    child.once('exit', () => {
      if (closing) return
      if (performance.now() - startedAt > STABLE_MS) pauseMs = FIRST_PAUSE_MS
      timer = setTimeout(start, pauseMs)
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
    })
  }

  start()
  return {
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async close() {
      closing = true
      clearTimeout(timer)
      child.kill('SIGTERM')
      const killer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
      await exited(child)
      clearTimeout(killer)
    },
  }
}
