/**
 * A shell command of the operator's, in a process group of its own and within a time limit. Knows
 * nothing of what it is for.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

export interface ShellOptions {
  env: NodeJS.ProcessEnv
  /** then the process group is killed */
  limitMs: number
  /** kills it, too */
  signal: AbortSignal
  /** between SIGTERM and SIGKILL */
  graceMs?: number
}

export interface ShellResult {
  /** null when a signal ended it, or when there was no shell */
  exitCode: number | null
  endedBy: 'itself' | 'limit' | 'caller'
  /** of stdout and stderr; null when it said nothing */
  lastLine: string | null
}

const MAX_TAIL_CHARS = 4096
/** What was written before the end is in the pipe; what goes on in the background keeps it open. */
const OUTPUT_MS = 500

/** The end of what a process writes; a reader for as long as anybody writes. */
const readTail = (child: ChildProcess): (() => string | null) => {
  let tail = ''
  for (const stream of [child.stdout!, child.stderr!]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => (tail = (tail + text).slice(-MAX_TAIL_CHARS)))
  }
  return () => {
    const line = tail.trimEnd().split(/\r?\n/).at(-1)!.trim()
    // the beginning of a longer line is gone, and half a secret is not recognized as one
    if (tail.length === MAX_TAIL_CHARS && !tail.trimEnd().includes('\n')) return '(a long line)'
    return line === '' ? null : line
  }
}

const killGroup = ({ pid }: ChildProcess, signal: NodeJS.Signals): void => {
  try {
    if (pid !== undefined) process.kill(-pid, signal)
  } catch {
    // nobody is left in it
  }
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('exit', resolve)
    child.once('error', reject)
  })

/** Neither the process nor what goes on in its background keeps this one alive. */
const letGo = (child: ChildProcess): void => {
  child.unref()
  for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.unref()
}

/** What it leaves in the background goes on when it ends by itself. Never rejects. */
export const runShell = async (
  command: string,
  { env, limitMs, signal, graceMs = 5_000 }: ShellOptions
): Promise<ShellResult> => {
  const child = spawn(command, {
    shell: true,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const lastLine = readTail(child)
  let endedBy: ShellResult['endedBy'] = 'itself'
  let killer: NodeJS.Timeout | undefined
  const end = (by: 'limit' | 'caller'): void => {
    if (endedBy !== 'itself') return
    endedBy = by
    killGroup(child, 'SIGTERM')
    killer = setTimeout(() => killGroup(child, 'SIGKILL'), graceMs)
  }
  const limit = setTimeout(() => end('limit'), limitMs)
  const onAbort = (): void => end('caller')
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    const exitCode = await exitOf(child)
    // those of the group that SIGTERM did not end
    if (endedBy !== 'itself') killGroup(child, 'SIGKILL')
    await Promise.race([closed, delay(OUTPUT_MS)])
    return { exitCode, endedBy, lastLine: lastLine() }
  } catch (error) {
    return { exitCode: null, endedBy, lastLine: String(error) }
  } finally {
    clearTimeout(limit)
    clearTimeout(killer)
    signal.removeEventListener('abort', onAbort)
    letGo(child)
  }
}
