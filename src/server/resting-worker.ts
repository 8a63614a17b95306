/**
 * The worker of a server without an engine. Nothing is trained, so its process runs only while there is something to
 * read or to do, and its memory is free in between. It reads the log when requests pause, or once a minute.
 */
import type { ChildProcess } from 'node:child_process'
import { endChild, endOf, hasEnded, type OnChildFault } from '../process/supervise.ts'

/** requests that follow one another this soon are read together */
const QUIET_MS = 5_000
/** under traffic that never pauses */
const BUSY_MS = 60_000
/** for what is due by its age, as retention */
const IDLE_MS = 3_600_000
const LOOK_MS = 2_000

/** When the worker began or ended, and what it may have left. */
export interface LastRun {
  /** milliseconds, by the same clock as `Waiting.at` */
  endedAt: number
  hasFailed: boolean
  /** sequence of the log's newest record when it began */
  written: number
  /** what it was asked for when it began */
  asked: readonly string[]
}

export interface Waiting {
  at: number
  /** sequence of the log's newest record, and when it was first seen */
  written: number
  writtenAt: number
  /** names of what the worker is asked to do */
  asked: readonly string[]
}

/** Whether the worker has to run now. Pure. */
export const isDue = ({ at, written, writtenAt, asked }: Waiting, last: LastRun): boolean => {
  const rested = at - last.endedAt
  if (rested >= IDLE_MS) return true
  // what stays after a run is tried again, and not at once
  const isLeft = asked.length > 0 || written > last.written
  if (rested >= BUSY_MS) return isLeft
  if (last.hasFailed) return false
  if (asked.some((name) => !last.asked.includes(name))) return true
  return written > last.written && at - writtenAt >= QUIET_MS
}

export interface RestingOptions {
  /** starts a worker that ends when nothing is left to do */
  spawn: () => ChildProcess
  onFault: OnChildFault
  /** exit code of a worker that found another one at work, which is no fault */
  refusedCode: number
  /** as `Waiting`, also of what other processes write; rejects while the store is away */
  look: () => Promise<Pick<Waiting, 'written' | 'asked'>>
  /** milliseconds, by a clock that is not set */
  now: () => number
  lookMs?: number
}

/** A worker beside the proxy. */
export interface WorkerProcess {
  state(): 'running' | 'resting' | 'restarting'
  close(): Promise<void>
}

class RestingWorker implements WorkerProcess {
  private readonly options: RestingOptions
  private readonly timer: NodeJS.Timeout
  private child: ChildProcess | null = null
  private isLooking = false
  private isClosed = false
  private last: LastRun
  private written = 0
  private writtenAt: number

  constructor(options: RestingOptions) {
    this.options = options
    const at = options.now()
    this.writtenAt = at
    // what a server before this one has logged may be unread
    this.last = { endedAt: at, hasFailed: false, written: 0, asked: [] }
    this.timer = setInterval(() => void this.look(), options.lookMs ?? LOOK_MS)
  }

  state(): 'running' | 'resting' {
    return this.child === null ? 'resting' : 'running'
  }

  async close(): Promise<void> {
    this.isClosed = true
    clearInterval(this.timer)
    if (this.child !== null) await endChild(this.child)
  }

  private async look(): Promise<void> {
    if (this.child !== null || this.isLooking) return
    this.isLooking = true
    try {
      const { look, now } = this.options
      // the store has a fault line of its own; the next look asks again
      const seen = await look().catch(() => null)
      if (seen === null || this.isClosed) return
      if (seen.written > this.written) this.writtenAt = now()
      this.written = seen.written
      const waiting = { ...seen, writtenAt: this.writtenAt, at: now() }
      if (isDue(waiting, this.last)) this.start(waiting)
    } finally {
      this.isLooking = false
    }
  }

  private start({ written, asked }: Waiting): void {
    const { spawn, refusedCode, onFault, now } = this.options
    const child = spawn()
    this.child = child
    const end = (error: Error | null): void => {
      if (this.child !== child || !hasEnded(child)) return
      this.child = null
      this.last = { endedAt: now(), hasFailed: child.exitCode !== 0, written, asked }
      if (this.isClosed || child.exitCode === 0 || child.exitCode === refusedCode) return
      const { pid, exitCode, signalCode } = child
      const fault = error ?? new Error(`the worker ended ${endOf(child)}`)
      onFault(fault, { pid, exitCode, signal: signalCode })
    }
    child.on('error', end)
    child.once('exit', () => end(null))
  }
}

export const startRestingWorker = (options: RestingOptions): WorkerProcess =>
  new RestingWorker(options)
