/**
 * The operator's checker: a command or an endpoint. Both get `{"query","messages","logged","answer"}` and say
 * `{"verdict":"same"}` or `{"verdict":"different"}`; anything else is no verdict. A command has a limit of time and of
 * output, and a process group of its own that is killed when it ends, so that no child of it stays. Its memory is not
 * limited. Knows nothing of internalizations, and is never asked on the path of a request.
 */
import { spawn } from 'node:child_process'
import { hash } from 'node:crypto'
import type { CheckerConfig } from '../config/config.ts'
import { AppError } from '../errors.ts'
import { signalGroup } from '../process/signal-group.ts'
import { textWithin } from '../text-within.ts'
import type { CheckedAnswers, Checker } from '../worker/deps.ts'
import { isFields, parseJson } from '../openai/fields.ts'

type Reply = Awaited<ReturnType<Checker['ask']>>

export interface CheckerDeps {
  env: NodeJS.ProcessEnv
  fetch: typeof globalThis.fetch
}

/** Comparisons at the same time. */
const LANES = 2
/** A longer comparison gives no verdict. */
const MAX_INPUT_CHARS = 1_000_000
/** Output beyond it ends a command, and an answer beyond it gives no verdict. */
const MAX_REPLY_BYTES = 64 * 1024

export interface BoundedProcess {
  /** for the shell */
  command: string
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

/** Never rejects. */
export const runBounded = ({
  command,
  env,
  stdin,
  limitMs,
}: BoundedProcess): Promise<ProcessResult> =>
  new Promise((resolve) => {
    const child = spawn(command, {
      env,
      shell: true,
      detached: true,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    const chunks: Buffer[] = []
    let bytes = 0
    let endedBy: ProcessResult['endedBy'] = 'itself'
    const kill = (by: 'time' | 'output'): void => {
      endedBy = by
      signalGroup(child.pid, 'SIGKILL')
    }
    const limit = setTimeout(() => kill('time'), limitMs)
    // without a file descriptor there are no pipes, and `error` comes
    child.stdout?.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MAX_REPLY_BYTES) kill('output')
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
    child.stdin?.end(stdin)
  })

/** @returns `none` for anything but an object with a verdict */
export const parseReply = (text: string): Reply => {
  const reply = parseJson(text)
  const verdict = isFields(reply) ? reply['verdict'] : null
  return verdict === 'same' || verdict === 'different' ? verdict : 'none'
}

/** Settings with secrets are not for the checker. */
const PASSED = new Set(['PATH', 'HOME', 'LANG'])

const passedEnv = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => PASSED.has(name) || name.startsWith('CHECK_'))
  )

/** EX_TEMPFAIL of sysexits.h, and what a shell says of a command that it cannot run or find. */
const LATER = new Set([75, 126, 127])

/** @throws AppError `upstream-unavailable` where the command says that it may answer later */
const replyOf = ({ exitCode, endedBy, stdout }: ProcessResult): Reply => {
  const isUnable = endedBy === 'start' || (endedBy === 'itself' && LATER.has(exitCode ?? 0))
  if (isUnable)
    throw new AppError(
      'upstream-unavailable',
      `CHECK_COMMAND could not be run${exitCode === null ? '' : ` (exit code ${exitCode})`}`
    )
  return exitCode === 0 && endedBy === 'itself' ? parseReply(stdout) : 'none'
}

const askCommand =
  (command: string, limitMs: number, env: NodeJS.ProcessEnv) =>
  async (stdin: string): Promise<Reply> =>
    replyOf(await runBounded({ command, env, stdin, limitMs }))

/** Of the network and of the server: the same request may be answered later. */
const isPassing = (status: number): boolean =>
  status >= 500 || [401, 403, 404, 429].includes(status)

const askUrl =
  (url: string, limitMs: number, { fetch }: CheckerDeps) =>
  async (body: string): Promise<Reply> => {
    const { host } = new URL(url)
    const signal = AbortSignal.timeout(limitMs)
    const headers = { 'content-type': 'application/json' }
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        signal,
        redirect: 'error',
      })
      if (isPassing(response.status))
        throw new AppError(
          'upstream-unavailable',
          `CHECK_URL at ${host} answers ${response.status}`
        )
      return response.ok ? parseReply(await textWithin(response, MAX_REPLY_BYTES)) : 'none'
    } catch (error) {
      // an endpoint that takes long for one comparison, or says much, would hold up all others
      if (signal.aborted || error instanceof RangeError) return 'none'
      if (error instanceof AppError) throw error
      throw new AppError('upstream-unavailable', `CHECK_URL at ${host} does not answer`, {
        cause: error,
      })
    }
  }

const askOf = ({ kind, setting, limitMs }: CheckerConfig, deps: CheckerDeps) =>
  kind === 'url'
    ? askUrl(setting, limitMs, deps)
    : askCommand(setting, limitMs, passedEnv(deps.env))

/** Lets `LANES` calls run at a time; others wait in order. */
const inLanes = <In, Out>(call: (input: In) => Promise<Out>): ((input: In) => Promise<Out>) => {
  const waiting: (() => void)[] = []
  let running = 0
  return async (input) => {
    if (running >= LANES) await new Promise<void>((go) => waiting.push(go))
    else running++
    try {
      return await call(input)
    } finally {
      const next = waiting.shift()
      if (next === undefined) running--
      else next()
    }
  }
}

export const openChecker = (config: CheckerConfig, deps: CheckerDeps): Checker => {
  const { kind, setting } = config
  const ask = inLanes(askOf(config, deps))
  return {
    planned: { kind, digest: hash('sha256', `${kind} ${setting}`, 'hex').slice(0, 16) },
    ask: async ({ query, messages, logged, answer }: CheckedAnswers) => {
      const input = JSON.stringify({ query, messages, logged, answer })
      return input.length > MAX_INPUT_CHARS ? 'none' : ask(input)
    },
  }
}
