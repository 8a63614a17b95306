/**
 * The operator's checker: a command, an endpoint, or SQL that is run (`sql/process.ts`). All get
 * `{"query","messages","logged","answer"}` and say `{"verdict":"same"}` or `{"verdict":"different"}`; anything else is no
 * verdict. Knows nothing of internalizations, and is never asked on the path of a request.
 */
import { hash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import type { CheckerConfig } from '../config/config.ts'
import { AppError } from '../errors.ts'
import { textWithin } from '../text-within.ts'
import type { CheckedAnswers, Checker } from '../worker/deps.ts'
import { runBounded, type ProcessResult } from './bounded-process.ts'

type Reply = Awaited<ReturnType<Checker['ask']>>

export interface CheckerDeps {
  env: NodeJS.ProcessEnv
  fetch: typeof globalThis.fetch
}

/** Comparisons at the same time. */
const LANES = 2
/** A longer comparison gives no verdict. */
const MAX_INPUT_CHARS = 1_000_000
const MAX_REPLY_BYTES = 64 * 1024

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** @returns `none` for anything but an object with a verdict */
export const parseReply = (text: string): Reply => {
  try {
    const reply: unknown = JSON.parse(text)
    const verdict = isObject(reply) ? reply.verdict : null
    return verdict === 'same' || verdict === 'different' ? verdict : 'none'
  } catch {
    return 'none'
  }
}

/** Settings with secrets are not for the checker. */
const PASSED = new Set(['PATH', 'HOME', 'LANG'])

const passedEnv = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(
    Object.entries(env).filter(([name]) => PASSED.has(name) || name.startsWith('CHECK_'))
  )

/** EX_TEMPFAIL of sysexits.h, and what a shell says of a command that it cannot run or find. */
const LATER = new Set([75, 126, 127])

/** @throws AppError `upstream-unavailable` where the process says that it may answer later */
const replyOf = ({ exitCode, endedBy, stdout }: ProcessResult, name: string): Reply => {
  const isUnable = endedBy === 'start' || (endedBy === 'itself' && LATER.has(exitCode ?? 0))
  if (isUnable)
    throw new AppError(
      'upstream-unavailable',
      `${name} could not be run${exitCode === null ? '' : ` (exit code ${exitCode})`}`
    )
  return exitCode === 0 && endedBy === 'itself' ? parseReply(stdout) : 'none'
}

const askCommand =
  (command: string, limitMs: number, env: NodeJS.ProcessEnv) =>
  async (stdin: string): Promise<Reply> =>
    replyOf(await runBounded({ command, env, stdin, limitMs }), 'CHECK_COMMAND')

/** The memory of the process, MiB; SQLite has a limit of its own beside it. */
const SQL_HEAP_MIB = 128

const SQL_PROCESS = new URL(
  import.meta.url.endsWith('.ts') ? './sql/process.ts' : './sql/process.js',
  import.meta.url
)

const askSql =
  (source: string, limitMs: number, env: NodeJS.ProcessEnv) =>
  async (stdin: string): Promise<Reply> => {
    const loader = SQL_PROCESS.pathname.endsWith('.ts') ? ['--import', 'tsx'] : []
    const args = [`--max-old-space-size=${SQL_HEAP_MIB}`, ...loader, fileURLToPath(SQL_PROCESS)]
    const command = [process.execPath, ...args, source] as const
    return replyOf(await runBounded({ command, env, stdin, limitMs }), 'the process of CHECK_SQL')
  }

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

const askOf = ({ kind, setting, limitMs }: CheckerConfig, deps: CheckerDeps) => {
  const env = passedEnv(deps.env)
  if (kind === 'url') return askUrl(setting, limitMs, deps)
  return kind === 'sql' ? askSql(setting, limitMs, env) : askCommand(setting, limitMs, env)
}

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
