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

export const startRestingWorker = ({
  spawn,
  onFault,
  refusedCode,
  look,
  now,
  lookMs = LOOK_MS,
}: RestingOptions): WorkerProcess => {
  let child: ChildProcess | null = null
  let [isLooking, isClosed] = [false, false]
  let [written, writtenAt] = [0, now()]
  // what a server before this one has logged may be unread
  let last: LastRun = { endedAt: writtenAt, hasFailed: false, written: 0, asked: [] }

  const start = (waiting: Waiting): void => {
    const started = spawn()
    child = started
    const end = (error: Error | null): void => {
      if (child !== started || !hasEnded(started)) return
      child = null
      const { pid, exitCode, signalCode } = started
      const { written: seen, asked } = waiting
      last = { endedAt: now(), hasFailed: exitCode !== 0, written: seen, asked }
      if (isClosed || exitCode === 0 || exitCode === refusedCode) return
      const fault = error ?? new Error(`the worker ended ${endOf(started)}`)
      onFault(fault, { pid, exitCode, signal: signalCode })
    }
    started.on('error', end)
    started.once('exit', () => end(null))
  }
  const lookOnce = async (): Promise<void> => {
    if (child !== null || isLooking) return
    isLooking = true
    try {
      // the store has a fault line of its own; the next look asks again
      const seen = await look().catch(() => null)
      if (seen === null || isClosed) return
      if (seen.written > written) writtenAt = now()
      written = seen.written
      const waiting = { ...seen, writtenAt, at: now() }
      if (isDue(waiting, last)) start(waiting)
    } finally {
      isLooking = false
    }
  }
  const timer = setInterval(() => void lookOnce(), lookMs)
  return {
    state: () => (child === null ? 'resting' : 'running'),
    async close() {
      isClosed = true
      clearInterval(timer)
      if (child !== null) await endChild(child)
    },
  }
}
