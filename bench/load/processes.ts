/** Processes of the proxy benchmark: starting and ending them, and the CPU time they have used. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { statFieldsOf } from '../../test/kit/process/process-stat.ts'
import { REQUEST_HEADERS } from './traffic.ts'

export interface Target {
  port: number
  /** of every request to it */
  headers: Record<string, string>
  /** all processes that the CPU time is summed over */
  pids: () => number[]
  /** ends it; resolves with the last line it printed */
  stop: () => Promise<string>
}

/** Linux counts in ticks of 10 ms (`getconf CLK_TCK`). */
const ticksPerSecond = (): number => Number(execFileSync('getconf', ['CLK_TCK']).toString())
const TICKS_PER_SECOND = ticksPerSecond()

/** User and system time of a target's processes, in microseconds (proc(5)). */
export interface CpuTime {
  /** of all threads */
  all: number
  /** of the threads that run an event loop and nothing beside it: no store, no garbage collection */
  firstThread: number
}

const cpuMicrosOf = (pid: number, part: 'all' | 'first-thread'): number => {
  const fields = statFieldsOf(pid, part)
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6
}

export const cpuTime = (target: Target): CpuTime => {
  const sum = (part: 'all' | 'first-thread'): number =>
    target.pids().reduce((total, pid) => total + cpuMicrosOf(pid, part), 0)
  return { all: sum('all'), firstThread: sum('first-thread') }
}

const kilobytesOf = (pid: number, field: 'VmRSS' | 'VmHWM'): number => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN)
}

/** Resident memory of all its processes, in MiB: now, or the most there ever was. */
export const residentMiB = (target: Target, when: 'now' | 'peak' = 'now'): number =>
  target
    .pids()
    .reduce((sum, pid) => sum + kilobytesOf(pid, when === 'now' ? 'VmRSS' : 'VmHWM') / 1024, 0)

export const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)

/** @param flags of Node */
export const startServerWith = async (
  flags: string[],
  script: string,
  kind: string,
  ...rest: string[]
): Promise<Target> => {
  const child = spawn(process.execPath, [...flags, script, kind, ...rest], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // as in the Dockerfile
    env: { ...process.env, NODE_ENV: 'production', MALLOC_ARENA_MAX: '2' },
  })
  const lines: string[] = []
  const output = createInterface({ input: child.stdout })
  output.on('line', (line) => lines.push(line))
  const exited = once(child, 'exit')
  await Promise.race([once(output, 'line'), exited])
  if (lines[0] === undefined) throw new Error(`the ${kind} server did not start`)
  const { port } = JSON.parse(lines[0]) as { port: number }
  return {
    port,
    headers: REQUEST_HEADERS,
    pids: () => [child.pid!],
    stop: async () => {
      child.stdin.end()
      await exited
      return lines.at(-1)!
    },
  }
}

/**
 * `upstream`, `fetch`, `bare` or `ours`.
 * @param script the built `load/server.ts`
 */
export const startServer = (script: string, kind: string, ...rest: string[]): Promise<Target> =>
  startServerWith([], script, kind, ...rest)

export const isInstalled = (program: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${program}`]).status === 0

/** Whether it answers at all within five seconds. */
export const isListening = async (port: number, child: ChildProcess): Promise<boolean> => {
  for (let i = 0; i < 100 && child.exitCode === null; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => null)
    if (answer) return true
    await delay(50)
  }
  return false
}
