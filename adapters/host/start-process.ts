/**
 * Starts an engine as a child process, learns its port, and starts it again on the same port when it
 * dies. Knows nothing of the engine itself.
 */
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { AppError } from '../../src/errors.ts'
import {
  forkModule,
  supervise,
  type OnChildFault,
  type SupervisedChild,
} from '../../src/process/supervise.ts'
import type { EngineReport } from './run-process.ts'

export interface StartOptions {
  /** names the engine in errors */
  name: string
  /** the module that calls `runEngineProcess` */
  entry: URL
  dataDir: string
  /** added to this process's own environment */
  env?: Record<string, string>
  /** the process has died, and is started again */
  onFault: OnChildFault
}

export interface EngineProcess extends Pick<SupervisedChild, 'pid' | 'close'> {
  /** ends in `/v1` */
  baseUrl: string
  token: string
}

const spawn = ({ entry, dataDir, env }: StartOptions, token: string, port: number): ChildProcess =>
  forkModule(entry, {
    env: {
      ...process.env,
      ...env,
      ENGINE_DATA_DIR: dataDir,
      ENGINE_TOKEN: token,
      ENGINE_PORT: String(port),
    },
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
        new AppError(
          'engine-unavailable',
          `engine ${name} ended with ${signal ?? `exit code ${code}`} before it listened`
        )
      )
    )
  })

/**
 * Resolves when the engine listens. When it dies later, it is started again on the same port, so the
 * base URL stays valid.
 * @throws AppError the error that the engine reports, or `engine-unavailable`
 */
export const startEngineProcess = async (options: StartOptions): Promise<EngineProcess> => {
  const token = randomBytes(32).toString('hex')
  const first = spawn(options, token, 0)
  const port = await reportOf(first, options.name)
  const child = supervise({
    spawn: () => spawn(options, token, port),
    first,
    onFault: options.onFault,
  })
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    token,
    pid: child.pid,
    close: child.close,
  }
}
