/**
 * vLLM as a process that is kept running: started, watched, started again with growing pauses when it
 * dies or stops answering. Knows nothing of requests and loras.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AppError, toAppError } from '../../../src/errors.ts'
import type { Log } from '../../host/log.ts'
import { LeashedChild } from '../leashed-child.ts'

const POLL_MS = 250
const HEALTH_MS = 10_000
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000
/** After it has run this long, the next pause is the first one again. */
const STABLE_MS = 120_000
const STOP_GRACE_MS = 10_000
/** Health checks in a row without an answer before it counts as hanging. */
const MAX_MISSES = 3

const WHAT_TO_DO =
  'The last lines usually say why: too little GPU memory (ENGINE_VLLM_MEMORY), a command that is not there (ENGINE_VLLM_COMMAND), an argument it does not know (ENGINE_VLLM_ARGS)'

export interface VllmProcessOptions {
  command: string[]
  env: NodeJS.ProcessEnv
  /** from the start of the process until it must answer */
  startMs: number
  /** asks the server whether it can serve; never throws */
  isHealthy(): Promise<boolean>
  beforeStart(): void
  log: Log
}

export class VllmProcess {
  private child: LeashedChild | null = null
  private state: 'down' | 'running' | 'closed' = 'down'
  private why = 'vLLM has not been started'
  private starts = 0
  private readonly waiting = new Set<() => void>()
  private readonly closing = new AbortController()
  private watching: Promise<void> = Promise.resolve()

  constructor(private readonly options: VllmProcessOptions) {}

  /** @throws AppError `engine-unavailable` with its last words when it does not start */
  async start(): Promise<void> {
    await this.startOnce()
    this.watching = this.keepRunning()
  }

  /** Counts starts that succeeded; what was told to an earlier one is forgotten. */
  incarnation(): number {
    return this.starts
  }

  /** @throws AppError `engine-unavailable` */
  requireRunning(): void {
    if (this.state !== 'running') throw new AppError('engine-unavailable', this.why)
  }

  /** @throws AppError `engine-unavailable` when a start takes too long */
  async waitRunning(): Promise<void> {
    const late = delay(this.options.startMs, undefined, { ref: false })
    if (this.state === 'down')
      await Promise.race([late, new Promise<void>((resolve) => this.waiting.add(resolve))])
    this.requireRunning()
  }

  async close(): Promise<void> {
    this.set('closed', 'the engine is shutting down')
    this.closing.abort()
    await this.child?.end(STOP_GRACE_MS)
    await this.watching
  }

  private set(state: 'down' | 'running' | 'closed', why: string): void {
    if (this.state === 'closed') return
    this.state = state
    this.why = why
    if (state === 'down') return
    for (const resolve of this.waiting) resolve()
    this.waiting.clear()
  }

  private async keepRunning(): Promise<void> {
    let pauseMs = FIRST_PAUSE_MS
    while (!this.closing.signal.aborted) {
      const startedAt = performance.now()
      if (this.state === 'running') await this.watch()
      if (performance.now() - startedAt > STABLE_MS) pauseMs = FIRST_PAUSE_MS
      await this.pause(pauseMs)
      if (this.closing.signal.aborted) return
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)
      await this.startOnce().catch((error: unknown) =>
        this.options.log('error', 'vLLM did not start', { error: toAppError(error).message })
      )
    }
  }

  private async pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.closing.signal }).catch(() => undefined)
  }

  private async startOnce(): Promise<void> {
    const { command, env, startMs, isHealthy, beforeStart, log } = this.options
    beforeStart()
    const child = new LeashedChild(command, env, (line) => log('debug', line, { from: 'vllm' }))
    this.child = child
    const deadline = performance.now() + startMs
    try {
      while (!(await isHealthy())) {
        if (child.hasEnded) throw this.failed(`it ended with ${await child.ended}`, child)
        if (performance.now() > deadline)
          throw this.failed(`no answer within ${startMs / 1000} s`, child)
        if (this.closing.signal.aborted)
          throw new AppError('engine-unavailable', 'the engine is shutting down')
        await this.pause(POLL_MS)
      }
    } catch (error) {
      await child.end(STOP_GRACE_MS)
      this.set('down', toAppError(error).message)
      throw error
    }
    this.starts++
    this.set('running', '')
    log('info', 'vLLM is running', { start: this.starts })
  }

  private failed(how: string, child: LeashedChild): AppError {
    return new AppError(
      'engine-unavailable',
      `vLLM did not start: ${how}. ${WHAT_TO_DO}. It said:\n${child.lastWords() || 'nothing'}`
    )
  }

  /** Resolves when the process has ended, by itself or because it did not answer. */
  private async watch(): Promise<void> {
    const { isHealthy, log } = this.options
    const child = this.child!
    for (let misses = 0; !child.hasEnded && misses < MAX_MISSES;) {
      await Promise.race([child.ended, this.pause(HEALTH_MS)])
      if (this.closing.signal.aborted) return
      if (!child.hasEnded) misses = (await isHealthy()) ? 0 : misses + 1
    }
    const what = child.hasEnded ? `ended with ${await child.ended}` : 'does not answer'
    this.set('down', `vLLM ${what} and is started again; try later`)
    log('error', `vLLM ${what}`, { said: child.lastWords() })
    await child.end(0)
  }
}
