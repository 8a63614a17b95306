/** Child processes that are restarted when they die, after growing pauses, and end with their parent. */
import { fork, type ForkOptions, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 30_000
/** After a child has run this long, the next pause is the first one again. */
const STABLE_MS = 60_000
const GRACE_MS = 20_000

export const hasEnded = (child: ChildProcess): boolean =>
  child.pid === undefined || child.exitCode !== null || child.signalCode !== null

const exited = (child: ChildProcess): Promise<void> =>
  hasEnded(child)
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

/** SIGTERM, then SIGKILL after a grace period. */
export const endChild = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited(child)
  clearTimeout(killer)
}

/** The module beside that of `url`, which has the ending of the sources or of `dist`. */
export const moduleBeside = (url: string, name: string): URL =>
  new URL(`${name}${url.endsWith('.ts') ? '.ts' : '.js'}`, url)

/** Runs a module of this package as a process of its own; works from the sources and from `dist`. */
export const forkModule = (
  entry: URL,
  { arguments: args = [], ...options }: ForkOptions & { arguments?: string[] }
): ChildProcess =>
  fork(fileURLToPath(entry), args, {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    ...options,
    execArgv: entry.pathname.endsWith('.ts') ? ['--import', 'tsx'] : [],
  })

/**
 * For a process that `forkModule` started: calls back once when its parent has ended. Node emits
 * `disconnect` once, also while the modules are loaded and nothing listens to it yet: a process that
 * missed it would run for ever, and a worker would hold the lock of its data directory.
 * @returns ends the listening, which keeps this process alive
 */
export const onParentEnd = (callback: () => void): (() => void) => {
  process.once('disconnect', callback)
  if (process.connected === false) callback()
  return () => void process.off('disconnect', callback)
}

/** Takes the end of a child, or an error of it such as a failed start. */
export type OnChildFault = (
  error: Error,
  data: { pid: number | undefined; exitCode: number | null; signal: string | null }
) => void

export interface SuperviseOptions {
  spawn: () => ChildProcess
  /** a child that runs already; by default the first one is spawned */
  first?: ChildProcess
  onFault: OnChildFault
}

export const endOf = ({ exitCode, signalCode }: ChildProcess): string =>
  signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`

export type SupervisedChild = ReturnType<typeof supervise>

export const supervise = ({ spawn, first = spawn(), onFault }: SuperviseOptions) => {
  let child = first
  let closing = false
  let pauseMs = FIRST_PAUSE_MS
  let timer: NodeJS.Timeout | undefined

  const report = (error: Error): void => {
    const { pid, exitCode, signalCode } = child
    onFault(error, { pid, exitCode, signal: signalCode })
  }
  const restart = (startedAt: number): void => {
    if (performance.now() - startedAt > STABLE_MS) pauseMs = FIRST_PAUSE_MS
    timer = setTimeout(() => {
      child = spawn()
      watch()
    }, pauseMs)
    pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
  }
  const watch = (): void => {
    const startedAt = performance.now()
    child.on('error', (error) => {
      if (closing) return
      report(error)
      // a process that could not be started emits no `exit`
      if (child.pid === undefined) restart(startedAt)
    })
    child.once('exit', () => {
      if (closing) return
      report(new Error(`the process ended ${endOf(child)} and is restarted`))
      restart(startedAt)
    })
  }

  watch()
  return {
    /** of the current process */
    pid: (): number | undefined => child.pid,
    isRunning: (): boolean => !hasEnded(child),
    /** SIGTERM, then SIGKILL after a grace period. */
    async close(): Promise<void> {
      closing = true
      clearTimeout(timer)
      await endChild(child)
    },
  }
}
