/**
 * The outside of an engine's own process: starts it, learns its port, starts it again on the same
 * port when it dies. Knows nothing of what runs inside.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { AppError } from '../../src/errors.ts'
import type { EngineReport } from './run-process.ts'

export interface StartOptions {
  /** names the engine in errors */
  name: string
  /** the module that calls `runEngineProcess` */
  entry: URL
  dataDir: string
  /** added to this process's own environment */
  env?: Record<string, string>
}

export interface EngineProcess {
  /** ends in `/v1` */
  baseUrl: string
  token: string
  /** the process that runs now */
  pid(): number | undefined
  /** SIGTERM, then SIGKILL after a grace period. */
  close(): Promise<void>
}

const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 30_000
/** a process that lived this long is started again after the first pause */
const STABLE_MS = 60_000
const GRACE_MS = 20_000

const spawn = ({ entry, dataDir, env }: StartOptions, token: string, port: number): ChildProcess =>
  fork(fileURLToPath(entry), [], {
    env: {
      ...process.env,
      ...env,
      ENGINE_DATA_DIR: dataDir,
      ENGINE_TOKEN: token,
      ENGINE_PORT: String(port),
    },
    execArgv: entry.pathname.endsWith('.ts') ? ['--import', 'tsx'] : [],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })

const reportOf = (child: ChildProcess, name: string): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('message', (report: EngineReport) => {
      if ('port' in report) resolve(report.port)
      else reject(new AppError(report.error.code, report.error.message))
    })
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      reject(
        new AppError('engine-unavailable', `engine ${name} ended (${signal ?? code}) at start`)
      )
    )
  })

const exited = (child: ChildProcess): Promise<void> =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', () => resolve()))

const terminate = async (child: ChildProcess): Promise<void> => {
  child.kill('SIGTERM')
  const killer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS)
  await exited(child)
  clearTimeout(killer)
}

/**
 * Resolves when the engine listens. From then on a death is followed by a new start on the same
 * port, so that the base URL stays valid.
 * @throws AppError the error that the engine reports, or `engine-unavailable`
 */
export const startEngineProcess = async (options: StartOptions): Promise<EngineProcess> => {
  const token = randomBytes(32).toString('hex')
  let child = spawn(options, token, 0)
  const port = await reportOf(child, options.name)
  let closing = false
  let timer: NodeJS.Timeout | undefined
  let pauseMs = FIRST_PAUSE_MS

  const restartOnExit = (): void => {
    const startedAt = performance.now()
    child.on('error', () => undefined)
    child.once('exit', () => {
      if (closing) return
      if (performance.now() - startedAt > STABLE_MS) pauseMs = FIRST_PAUSE_MS
      timer = setTimeout(() => {
        child = spawn(options, token, port)
        restartOnExit()
      }, pauseMs)
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)
    })
  }

  restartOnExit()
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    token,
    pid: () => child.pid,
    async close() {
      closing = true
      clearTimeout(timer)
      await terminate(child)
    },
  }
}
