/**
 * `adapters/tinker/serve.py` as a child process for as long as the engine runs: calls with ids as JSON
 * lines, each of which can be cancelled. One that dies is started again after growing pauses, and what
 * waited for it fails.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { AppError, toAppError, type ErrorCode } from '../../../src/errors.ts'
import { childEnvironment } from '../../../src/process/child-environment.ts'
import type { Log } from '../../host/log.ts'

/** Calls at a time, each of which may hold a prompt of megabytes. */
const MAX_CALLS = 256
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** After a child has run this long, the next pause is the first one again. */
const STABLE_MS = 60_000
const STOP_GRACE_MS = 5000

export interface TinkerCommand {
  /** a Python with the provider's SDK */
  python: string
  /** `serve.py` */
  script: string
  /** the base model's name at the provider */
  baseModel: string
  env: NodeJS.ProcessEnv
}

export interface TinkerChildDeps {
  command: TinkerCommand
  /** told what is wrong at the provider, as names; all that holds */
  onConditions(conditions: string[]): void
  log: Log
}

interface Waiting {
  resolve(result: unknown): void
  reject(error: AppError): void
}

type Line =
  | { id: number; result: unknown }
  | { id: number; error: { code: ErrorCode; message: string } }
  | { conditions: string[] }

export class TinkerChild {
  private readonly deps: TinkerChildDeps
  private readonly waiting = new Map<number, Waiting>()
  private child: ChildProcess | null = null
  private nextId = 1
  private pauseMs = FIRST_PAUSE_MS
  private restart: NodeJS.Timeout | undefined
  private isClosed = false

  constructor(deps: TinkerChildDeps) {
    this.deps = deps
    this.start()
  }

  /**
   * @param fields `call` and its own, as `serve.py` lists them
   * @throws AppError what the call fails with; `client-closed` when the signal aborts; `overloaded`,
   * `engine-unavailable` when the child is being started again
   */
  async call(fields: object, signal?: AbortSignal): Promise<unknown> {
    if (this.waiting.size >= MAX_CALLS)
      throw new AppError('overloaded', `${MAX_CALLS} calls wait for the provider; try later`)
    const input = this.child?.stdin
    if (!input)
      throw new AppError('engine-unavailable', 'the provider’s client is started again; try later')
    if (signal?.aborted) throw aborted()
    const id = this.nextId++
    const cancel = (): void => {
      this.child?.stdin?.write(`${JSON.stringify({ cancel: id })}\n`)
      this.waiting.get(id)?.reject(aborted())
    }
    try {
      return await new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject })
        signal?.addEventListener('abort', cancel, { once: true })
        input.write(`${JSON.stringify({ id, ...fields })}\n`)
      })
    } finally {
      this.waiting.delete(id)
      signal?.removeEventListener('abort', cancel)
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearTimeout(this.restart)
    const { child } = this
    // one that could not be started is no child
    if (child?.pid === undefined) return
    const ended = new Promise((resolve) => child.once('close', resolve))
    const killer = setTimeout(() => child.kill('SIGKILL'), STOP_GRACE_MS)
    child.stdin?.end()
    child.kill('SIGTERM')
    await ended
    clearTimeout(killer)
  }

  private start(): void {
    const { python, script, baseModel, env } = this.deps.command
    const startedAt = Date.now()
    const child = spawn(python, [script, baseModel], {
      env: childEnvironment(env),
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.child = child
    // an end shows as `close`, or as `error` where there is no program, or no descriptor for its pipes
    child.stdin?.on('error', () => undefined)
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (text) => this.read(text))
    child.once('error', (error) => {
      if (child.pid === undefined) this.ended(error.message)
    })
    child.once('close', (code, signal) => {
      if (child.pid === undefined) return
      if (Date.now() - startedAt > STABLE_MS) this.pauseMs = FIRST_PAUSE_MS
      this.ended(signal ?? `exit code ${code}`)
    })
  }

  private ended(reason: string): void {
    this.child = null
    const message = `the provider’s client ended (${reason})`
    for (const { reject } of this.waiting.values())
      reject(new AppError('engine-unavailable', `${message}; try again`))
    if (this.isClosed) return
    this.deps.log('error', message, { restart_ms: this.pauseMs })
    this.deps.onConditions(['away'])
    this.restart = setTimeout(() => {
      this.deps.onConditions([])
      this.start()
    }, this.pauseMs)
    this.pauseMs = Math.min(2 * this.pauseMs, LONGEST_PAUSE_MS)
  }

  private read(text: string): void {
    const line = parseLine(text)
    if (line === null) return
    if ('conditions' in line) return this.deps.onConditions(line.conditions)
    const waiting = this.waiting.get(line.id)
    if ('error' in line) {
      const { code, message } = line.error
      waiting?.reject(new AppError(code, `the provider: ${message}`))
    } else waiting?.resolve(line.result)
  }
}

/** Null for what a library prints. */
const parseLine = (text: string): Line | null => {
  try {
    const value: unknown = JSON.parse(text)
    const isLine = typeof value === 'object' && value !== null
    return isLine && ('id' in value || 'conditions' in value) ? (value as Line) : null
  } catch {
    return null
  }
}

const aborted = (): AppError =>
  new AppError('client-closed', 'the request was aborted by its client')

/** Whether an error says that the provider takes no calls now, and may take them later. */
export const isRefusal = (error: unknown): boolean =>
  ['overloaded', 'engine-unavailable'].includes(toAppError(error).code)
