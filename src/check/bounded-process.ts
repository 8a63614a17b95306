/**
 * Runs a process that gets a text and gives a short one: with a limit of time and of output, in a process group of its
 * own that is killed when it ends, so that no child of it stays. Memory is limited only by what the process sets itself.
 */
import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { signalGroup } from '../process/signal-group.ts'

/** Output beyond it ends the process. */
const MAX_OUTPUT_BYTES = 64 * 1024

export interface BoundedProcess {
  /** with its arguments; a text is for the shell */
  command: string | readonly [file: string, ...args: string[]]
  env: NodeJS.ProcessEnv
  stdin: string
  limitMs: number
}

export interface ProcessResult {
  /** null: a signal ended it, or it could not be started */
  exitCode: number | null
  /** `start`: it could not be started */
  endedBy: 'itself' | 'start' | 'time' | 'output'
  stdout: string
}

const start = ({ command, env }: BoundedProcess): ChildProcess => {
  const options: SpawnOptions = { env, detached: true, stdio: ['pipe', 'pipe', 'ignore'] }
  if (typeof command === 'string') return spawn(command, { ...options, shell: true })
  const [file, ...args] = command
  return spawn(file, args, options)
}

/** Never rejects. */
export const runBounded = (bounded: BoundedProcess): Promise<ProcessResult> =>
  new Promise((resolve) => {
    const child = start(bounded)
    const chunks: Buffer[] = []
    let bytes = 0
    let endedBy: ProcessResult['endedBy'] = 'itself'
    const kill = (by: 'time' | 'output'): void => {
      endedBy = by
      signalGroup(child.pid, 'SIGKILL')
    }
    const limit = setTimeout(() => kill('time'), bounded.limitMs)
    // without a file descriptor there are no pipes, and `error` comes
    child.stdout?.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_OUTPUT_BYTES) kill('output')
      else chunks.push(chunk)
    })
    const end = (exitCode: number | null): void => {
      clearTimeout(limit)
      signalGroup(child.pid, 'SIGKILL')
      for (const stream of [child.stdin, child.stdout]) stream?.destroy()
      resolve({ exitCode, endedBy, stdout: Buffer.concat(chunks).toString() })
    }
    child.once('error', () => {
      endedBy = 'start'
      end(null)
    })
    child.once('exit', (code) => {
      signalGroup(child.pid, 'SIGKILL')
      // what it wrote is read first; a writer outside its group does not hold the pipe for long
      const rest = setTimeout(() => end(code), 1_000)
      child.once('close', () => {
        clearTimeout(rest)
        end(code)
      })
    })
    // one that does not read ends the pipe
    child.stdin?.on('error', () => {})
    child.stdin?.end(bounded.stdin)
  })
