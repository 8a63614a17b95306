/** Starts `train-process.ts` and passes messages to and from it. */
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
  /** Resolves with the signal or exit code, as text. */
  ended: Promise<string>
}

/** @param onReport called for every message until the end */
export const startChild = (onReport: (report: ChildReport) => void): ComputeChild => {
  const child: ChildProcess = fork(entry, [], {
    execArgv: fromSources ? ['--import', 'tsx'] : [],
    // stderr is inherited for the messages of onnxruntime; stdout belongs to the parent
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  child.on('message', (message) => onReport(message as ChildReport))
  const ended = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    child.once('error', (error) => resolve(error.message))
  })
  return {
    pid: child.pid,
    // an error of sending means that the child has died, which `ended` reports
    send: (request) => void child.send(request, () => undefined),
    kill: () => void child.kill('SIGKILL'),
    ended,
  }
}

/** @returns the error that a child has reported */
export const reportedError = (report: Extract<ChildReport, { kind: 'failed' }>): AppError => {
  const { code, message, param } = report.error
  return new AppError(code, message, param === null ? {} : { param })
}
