/** Starts `train-process.ts` and talks to it. Knows nothing of what it computes. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AppError } from '../../src/errors.ts'
import type { ChildReport, ChildRequest } from './child-messages.ts'

const fromSources = import.meta.url.endsWith('.ts')
const entry = fileURLToPath(
  new URL(fromSources ? './train-process.ts' : './train-process.js', import.meta.url)
)

export interface ComputeChild {
  pid: number | undefined
  send(request: ChildRequest): void
  kill(): void
  /** How it ended, in words. */
  ended: Promise<string>
}

/** @param onReport called for every message until the end */
export const startChild = (onReport: (report: ChildReport) => void): ComputeChild => {
  const child: ChildProcess = fork(entry, [], {
    execArgv: fromSources ? ['--import', 'tsx'] : [],
    // the library's own messages go to our log; stdout stays free
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.on('message', (message) => onReport(message as ChildReport))
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
  return {
    pid: child.pid,
    // a child that has just died is noticed by its end
    send: (request) => void child.send(request, () => undefined),
    kill: () => void child.kill('SIGKILL'),
    ended,
  }
}

/** @throws never; makes the error that a child has reported */
export const reportedError = (report: Extract<ChildReport, { kind: 'failed' }>): AppError => {
  const { code, message, param } = report.error
  return new AppError(code, message, param === null ? {} : { param })
}
