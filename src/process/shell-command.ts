/** Runs a shell command of the operator in a process group of its own, with a time limit. */
import { spawn, type ChildProcess } from 'node:child_process'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { signalGroup } from './signal-group.ts'

export interface ShellOptions {
  env: NodeJS.ProcessEnv
  /** after this time the process group is killed */
  limitMs: number
  /** kills the process group when it aborts */
  signal: AbortSignal
  /** time between SIGTERM and SIGKILL */
  graceMs?: number
}

export interface ShellResult {
  /** null when a signal ended the command, or when no shell could be started */
  exitCode: number | null
  endedBy: 'itself' | 'limit' | 'caller'
  /** last line of stdout and stderr together; null without output */
  lastLine: string | null
}

const MAX_TAIL_CHARS = 4096
/** Time to read the rest of the pipe after the exit; a background process may keep the pipe open. */
const OUTPUT_MS = 500

/** Reads the output until every writer has closed it. @returns a function that gives the last line */
const readTail = (child: ChildProcess): (() => string | null) => {
  let tail = ''
  // without a file descriptor there are no pipes, and `error` comes
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8')
    stream?.on('data', (text: string) => (tail = (tail + text).slice(-MAX_TAIL_CHARS)))
  }
  return () => {
    const line = tail.trimEnd().split(/\r?\n/).at(-1)!.trim()
    // the start of a longer line is lost, and the mask would not recognize half a secret
    if (tail.length === MAX_TAIL_CHARS && !tail.trimEnd().includes('\n')) return '(a long line)'
    return line === '' ? null : line
  }
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('exit', resolve)
    child.once('error', reject)
  })

/** Lets this process exit while the child or its background processes still run. */
const unref = (child: ChildProcess): void => {
  child.unref()
  for (const stream of [child.stdout, child.stderr]) (stream as Socket | null)?.unref()
}

/** Background processes of the command keep running when it ends by itself. Never rejects. */
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
    signalGroup(child.pid, 'SIGTERM')
    killer = setTimeout(() => signalGroup(child.pid, 'SIGKILL'), graceMs)
  }
  const limit = setTimeout(() => end('limit'), limitMs)
  const onAbort = (): void => end('caller')
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  try {
    const exitCode = await exitOf(child)
    // processes of the group that ignored SIGTERM
    if (endedBy !== 'itself') signalGroup(child.pid, 'SIGKILL')
    await Promise.race([closed, delay(OUTPUT_MS)])
    return { exitCode, endedBy, lastLine: lastLine() }
  } catch (error) {
    return { exitCode: null, endedBy, lastLine: String(error) }
  } finally {
    clearTimeout(limit)
    clearTimeout(killer)
    signal.removeEventListener('abort', onAbort)
    unref(child)
  }
}
