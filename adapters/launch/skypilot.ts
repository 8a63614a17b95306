/**
 * Runs as managed jobs of SkyPilot, by its command `sky`, which knows its API server and is logged in
 * there. Written against SkyPilot 0.14.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { AppError } from '../../src/errors.ts'
import { signalGroup } from '../../src/process/signal-group.ts'
import type { ManagedRuns, RunStatus } from './managed-runs.ts'

export interface SkyPilotOptions {
  /** as a shell reads it */
  command: string
  /** a task's YAML */
  template: string
  env: NodeJS.ProcessEnv
}

/** `sky jobs launch` may have to start the jobs controller, which takes minutes. */
const LAUNCH_MS = 15 * 60_000
/** The command asks an unhealthy server again and again. */
const LIMIT_MS = 2 * 60_000
/** A job is listed when the controller has it. */
const LISTED_WITHIN_MS = 15 * 60_000
/** Of what the command writes; a job of `sky jobs queue` takes some 2 kB. */
const MAX_CHARS = 32 * 1024 * 1024
const TAIL_CHARS = 1000
/** Shell: the command was not found, or may not be run. */
const NO_COMMAND = [126, 127]
/** Of no program: the shell could not be started, for want of memory, descriptors or processes. */
const NO_SHELL = -1

const STATES: Record<string, RunStatus['state']> = {
  PENDING: 'queued',
  SUBMITTED: 'queued',
  STARTING: 'queued',
  RECOVERING: 'queued',
  RUNNING: 'running',
  WINDING_DOWN: 'running',
  CANCELLING: 'running',
  SUCCEEDED: 'done',
  CANCELLED: 'stopped',
  FAILED: 'failed',
  FAILED_SETUP: 'failed',
  FAILED_PRECHECKS: 'failed',
  FAILED_NO_RESOURCE: 'lost',
  FAILED_CONTROLLER: 'lost',
}

/** What may pass: no connection, too many requests, a server that is restarted. */
const PASSES =
  /connect|timed? ?out|unavailable|unhealthy|not healthy|too many requests|\b(429|50[0-4])\b/i

/** What says that the server has not taken a request. */
const NOT_TAKEN =
  /could not connect|refused|failed to establish|unhealthy|not healthy|too many requests|\b(429|503)\b/i

interface Job {
  job_id: number
  job_name: string
  status: string
  failure_reason?: string | null
}

interface Output {
  stdout: string
  tail: string
  /** null after the time limit, or a signal */
  code: number | null
}

// colours, and the spinner of a terminal
// oxlint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[a-zA-Z]/g

const tailOf = (text: string): string =>
  text
    .replace(ESCAPES, '')
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== '')
    .join('\n')
    .slice(-TAIL_CHARS)

/** Secrets of this engine are none of the command's. */
const environment = (given: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(given).filter(([name]) => !name.startsWith('ENGINE_'))),
  NO_COLOR: '1',
})

const runSky = (
  { command, env }: SkyPilotOptions,
  args: string[],
  signal: AbortSignal
): Promise<Output> =>
  new Promise((resolve) => {
    const child = spawn('sh', ['-c', `${command} "$@"`, 'sky', ...args], {
      env: environment(env),
      stdio: ['ignore', 'pipe', 'pipe'],
      // with what the shell has started
      detached: true,
    })
    const kill = (): void => signalGroup(child.pid, 'SIGKILL')
    signal.addEventListener('abort', kill, { once: true })
    if (signal.aborted) kill()
    let [stdout, stderr] = ['', '']
    // without a file descriptor there are no pipes, and `error` comes
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (stdout.length > MAX_CHARS) kill()
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-2 * TAIL_CHARS)
    })
    child.once('error', (error) => {
      signal.removeEventListener('abort', kill)
      resolve({ stdout, tail: error.message, code: NO_SHELL })
    })
    child.once('close', (code) => {
      signal.removeEventListener('abort', kill)
      resolve({ stdout, tail: tailOf(`${stdout}\n${stderr}`), code })
    })
  })

const endOf = (code: Output['code']): string => {
  if (code === null) return 'no end within its time'
  return code === NO_SHELL ? 'not started' : `exit code ${code}`
}

const failure = ({ code, tail }: Output, what: string): AppError => {
  if (code !== null && NO_COMMAND.includes(code))
    return new AppError(
      'invalid-config',
      `SkyPilot's command cannot be run: install it (pip install skypilot) or set ENGINE_SKYPILOT_COMMAND. ${tail}`
    )
  const passes = code === null || code === NO_SHELL || PASSES.test(tail)
  return new AppError(
    passes ? 'engine-unavailable' : 'invalid-config',
    `sky ${what} failed (${endOf(code)}): ${tail}`
  )
}

/** The list begins at a line's start; what is before it are warnings. */
const parseJobs = (stdout: string): Job[] => {
  const start = /^\[/m.exec(stdout)?.index
  try {
    if (start !== undefined) return JSON.parse(stdout.slice(start)) as Job[]
  } catch {
    // said below
  }
  throw new AppError('engine-unavailable', `sky jobs queue gave no list: ${tailOf(stdout)}`)
}

/** @throws AppError `invalid-config` without a template: `sky` would take its path for a command to run */
export const createSkyPilotRuns = (options: SkyPilotOptions): ManagedRuns => {
  const { template } = options
  if (!/\.ya?ml$/.test(template) || !existsSync(template))
    throw new AppError('invalid-config', `${template} is not a file whose name ends in .yaml`)
  const asked = async (...args: string[]): Promise<string> => {
    const output = await runSky(options, args, AbortSignal.timeout(LIMIT_MS))
    if (output.code === 0) return output.stdout
    const error = failure(output, args.slice(0, 2).join(' '))
    // a login that ended is renewed on this machine, while the run goes on
    throw output.code !== null && NO_COMMAND.includes(output.code)
      ? error
      : new AppError('engine-unavailable', error.message)
  }
  const find = async (name: string): Promise<Job | undefined> => {
    const text = await asked('jobs', 'queue', '--all', '--verbose', '--output', 'json')
    return parseJobs(text)
      .filter(({ job_name }) => job_name === name)
      .sort((one, other) => other.job_id - one.job_id)[0]
  }
  return {
    platform: 'SkyPilot',
    listedWithinMs: LISTED_WITHIN_MS,
    async submit(name, env, signal) {
      const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`])
      const launch = ['jobs', 'launch', '--name', name, ...variables, '--detach-run', '--yes']
      const ends = AbortSignal.any([signal, AbortSignal.timeout(LAUNCH_MS)])
      const output = await runSky(options, [...launch, template], ends)
      if (output.code === 0 || output.code === null) return
      const error = failure(output, 'jobs launch')
      // at the time limit, and where a connection broke off, the server may have the job already, and
      // would run a second one of the same name
      const isTaken = output.code !== NO_SHELL && !NOT_TAKEN.test(output.tail)
      if (error.code !== 'engine-unavailable' || !isTaken) throw error
    },
    async status(name) {
      const job = await find(name)
      if (job === undefined) return null
      const reason = job.failure_reason ? `: ${job.failure_reason.slice(0, TAIL_CHARS)}` : ''
      return { state: STATES[job.status] ?? 'running', detail: `${job.status}${reason}` }
    },
    async cancel(name) {
      await asked('jobs', 'cancel', '--name', name, '--yes')
    },
    async lastLines(name) {
      const job = await find(name)
      if (job === undefined) return ''
      return tailOf(await asked('jobs', 'logs', '--no-follow', String(job.job_id)))
    },
  }
}
