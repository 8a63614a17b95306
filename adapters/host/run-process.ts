/** Runs an engine as this process, the child of `start-process.ts`. */
import { AppError, type ErrorCode, toAppError } from '../../src/errors.ts'
import { causesOf } from '../../src/fault-log.ts'
import { onParentEnd } from '../../src/process/supervise.ts'
import type { EngineBackend } from './backend.ts'
import { checkFolder } from './disk.ts'
import { type ListeningServer, listen, openEngineHost } from './host.ts'
import { type Log, stderrLog } from './log.ts'

export interface EngineProcessOptions {
  name: string
  /** the process's environment: ENGINE_TOKEN, ENGINE_DATA_DIR, ENGINE_PORT (default 0), LOG_LEVEL */
  env: Record<string, string | undefined>
  /** to listen on; default 127.0.0.1 */
  hostname?: string | undefined
  createBackend(dataDir: string, log: Log): Promise<EngineBackend>
}

/** An engine process's message to its parent. */
export type EngineReport = { port: number } | { error: { code: ErrorCode; message: string } }

const required = (env: EngineProcessOptions['env'], name: string): string => {
  const value = env[name]
  if (!value) throw new AppError('invalid-config', `${name} is not set`)
  return value
}

const start = async (
  { env, hostname, createBackend }: EngineProcessOptions,
  log: Log
): Promise<ListeningServer> => {
  const token = required(env, 'ENGINE_TOKEN')
  const dataDir = required(env, 'ENGINE_DATA_DIR')
  await checkFolder(dataDir)
  const backend = await createBackend(dataDir, log)
  const host = await openEngineHost({ backend, dataDir, token, log })
  const server = await listen(host.app, Number(env['ENGINE_PORT'] ?? 0), hostname)
  return {
    port: server.port,
    close: async () => {
      await server.close()
      await host.close()
    },
  }
}

/** Resolves when the parent has the message, so that an exit does not cut it off. */
const sendReport = (report: EngineReport): Promise<void> =>
  new Promise((resolve) => {
    if (process.send) process.send(report, () => resolve())
    else process.stdout.write(`${JSON.stringify(report)}\n`, () => resolve())
  })

/**
 * Listens, reports `{ port }` to its parent by IPC, or on stdout where there is no such parent, and closes
 * on SIGTERM and when the parent has ended. An engine that cannot start reports
 * `{ error: { code, message } }` and exits with 1.
 */
export const runEngineProcess = async (options: EngineProcessOptions): Promise<void> => {
  const log = stderrLog(options.name, Date.now, options.env['LOG_LEVEL'])
  let close: (() => Promise<void>) | undefined
  const stop = (): void => void Promise.resolve(close?.()).finally(() => process.exit(0))
  // before the model is loaded, which takes time: a parent that dies meanwhile must not leave an orphan
  process.once('SIGTERM', stop)
  onParentEnd(stop)
  try {
    const engine = await start(options, log)
    close = engine.close
    log('info', 'listening', { port: engine.port })
    await sendReport({ port: engine.port })
  } catch (thrown) {
    const { code, message } = toAppError(thrown)
    // the stack of a wrong folder or setting would hide the reason
    const causes = causesOf(thrown).map((cause) => ({
      ...cause,
      stack: code === 'internal' ? cause.stack : [],
    }))
    log('error', 'the engine cannot start', { causes })
    await sendReport({ error: { code, message } })
    process.exit(1)
  }
}
