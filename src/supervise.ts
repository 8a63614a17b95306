/** Child processes that are started again when they die, with growing pauses. */
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface SupervisedChild {
  /** of the process that runs now */
  pid(): number | undefined
  isRunning(): boolean
  /** SIGTERM, then SIGKILL after a grace period. */
  close(): Promise<void>
}

const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 30_000
/** A child that lived this long starts with the first pause again. */
const STABLE_MS = 60_000
const GRACE_MS = 20_000

const hasEnded = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null

const exited = (child: ChildProcess): Promise<void> =>
  hasEnded(child)
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

/** A module of ours as a process of its own, from the build as from the sources. */
export const forkModule = (
  entry: URL,
  options: { arguments?: string[]; env: NodeJS.ProcessEnv }
): ChildProcess =>
  fork(fileURLToPath(entry), options.arguments ?? [], {
    env: options.env,
    execArgv: entry.pathname.endsWith('.ts') ? ['--import', 'tsx'] : [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })

/** @param first what runs already; without it the first one is spawned too */
export const supervise = (spawn: () => ChildProcess, first = spawn()): SupervisedChild => {
  let child = first
  let closing = false
  let pauseMs = FIRST_PAUSE_MS
  let timer: NodeJS.Timeout | undefined

  const restartOnExit = (): void => {
    const startedAt = performance.now()
    child.on('error', () => {})
    child.once('exit', () => {
      if (closing) return
      if (performance.now() - startedAt > STABLE_MS) pauseMs = FIRST_PAUSE_MS
      timer = setTimeout(() => {
        child = spawn()
        restartOnExit()
      }, pauseMs)
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
    })
  }

  restartOnExit()
  return {
    pid: () => child.pid,
    isRunning: () => !hasEnded(child),
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
