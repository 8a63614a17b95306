/** Runs as tasks of dstack, by its server's REST API. Written against dstack 0.22. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { AppError } from '../../src/errors.ts'
import type { ManagedRuns, RunStatus } from './managed-runs.ts'

export interface DstackOptions {
  /** without a path */
  url: string
  token: string
  project: string
  /** a task's configuration, as `dstack apply` reads it */
  template: string
  fetch: typeof fetch
}

const LIMIT_MS = 60_000
const LINES = 20
const TAIL_CHARS = 1000

const STATES: Record<string, RunStatus['state']> = {
  pending: 'queued',
  submitted: 'queued',
  provisioning: 'queued',
  running: 'running',
  terminating: 'running',
  done: 'done',
  terminated: 'failed',
  failed: 'failed',
}

const STOPPED = new Set(['stopped_by_user', 'aborted_by_user'])
/** Reasons, of the run or of its last try, that are none of the task's. */
const LOST = new Set([
  'server_error',
  'retry_limit_exceeded',
  'failed_to_start_due_to_no_capacity',
  'interrupted_by_no_capacity',
  'instance_unreachable',
  'waiting_instance_limit_exceeded',
  'waiting_runner_limit_exceeded',
  'terminated_by_server',
])

interface Submission {
  id: string
  termination_reason: string | null
  termination_reason_message: string | null
  exit_status: number | null
}

interface Run {
  status: string
  status_message: string
  termination_reason: string | null
  latest_job_submission: Submission | null
}

interface Configuration {
  type: 'task'
  env?: string[] | Record<string, unknown>
}

/** @throws AppError `invalid-config` for a file that is no dstack task */
const readTemplate = (path: string): Configuration => {
  try {
    const value: unknown = parse(readFileSync(path, 'utf8'))
    const isTask = typeof value === 'object' && value !== null && 'type' in value
    if (!isTask || value.type !== 'task') throw new Error('it has no `type: task`')
    return value as Configuration
  } catch (cause) {
    const message = `${path} is not a dstack task: ${(cause as Error).message}`
    throw new AppError('invalid-config', message, { cause })
  }
}

/** dstack takes a list of `NAME=value`, or a mapping. */
const withEnv = (
  { env = [], ...rest }: Configuration,
  added: Record<string, string>
): Configuration => ({
  ...rest,
  env: Array.isArray(env)
    ? [...env, ...Object.entries(added).map(([name, value]) => `${name}=${value}`)]
    : { ...env, ...added },
})

interface Refusal {
  code: string | null
  message: string
}

/** `detail` is a text, an object or a list of objects. */
const refusalOf = (text: string): Refusal => {
  try {
    const { detail } = JSON.parse(text) as { detail: unknown }
    const [first] = [detail].flat() as { msg?: string; code?: string | null }[]
    if (typeof detail === 'string') return { code: null, message: detail }
    return { code: first?.code ?? null, message: first?.msg ?? text }
  } catch {
    return { code: null, message: text.slice(0, TAIL_CHARS) }
  }
}

interface Answer {
  status: number
  body: unknown
  refusal: Refusal | null
}

const createPost = ({ url, token, project, fetch }: DstackOptions) => {
  return async (path: string, content: object, signal?: AbortSignal): Promise<Answer> => {
    const limit = AbortSignal.timeout(LIMIT_MS)
    try {
      const response = await fetch(`${url}/api/project/${encodeURIComponent(project)}/${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(content),
        signal: signal === undefined ? limit : AbortSignal.any([limit, signal]),
      })
      const text = await response.text()
      if (!response.ok) return { status: response.status, body: null, refusal: refusalOf(text) }
      return { status: 200, body: text === '' ? null : JSON.parse(text), refusal: null }
    } catch (cause) {
      const reason = ((cause as Error).cause as Error | undefined)?.message ?? String(cause)
      throw new AppError('engine-unavailable', `dstack does not answer (${reason})`, { cause })
    }
  }
}

const isMissing = ({ refusal }: Answer): boolean => refusal?.code === 'resource_not_exists'

const failure = ({ status, refusal }: Answer): string =>
  `dstack answers ${status}: ${refusal?.message ?? ''}${
    status === 401 || status === 403 ? '; see ENGINE_DSTACK_TOKEN and ENGINE_DSTACK_PROJECT' : ''
  }`

const statusOf = ({ status, status_message, ...run }: Run): RunStatus => {
  const submission = run.latest_job_submission
  const reasons = [run.termination_reason, submission?.termination_reason]
  const exit = submission?.exit_status
  const detail = [
    status,
    status_message === status ? '' : status_message,
    ...reasons,
    submission?.termination_reason_message,
    typeof exit === 'number' ? `exit code ${exit}` : '',
  ]
  const state = STATES[status] ?? 'running'
  const has = (known: Set<string>) =>
    state === 'failed' && reasons.some((reason) => known.has(reason ?? ''))
  return {
    state: has(STOPPED) ? 'stopped' : has(LOST) ? 'lost' : state,
    detail: detail.filter(Boolean).join(', '),
  }
}

/** @throws AppError `invalid-config` when the template is not a task */
export const createDstackRuns = (options: DstackOptions): ManagedRuns => {
  const configuration = readTemplate(options.template)
  const post = createPost(options)

  /** @throws AppError `engine-unavailable` also for what waits for an operator, such as a new token */
  const asked = async (path: string, content: object): Promise<Answer> => {
    const answer = await post(path, content)
    if (answer.refusal === null || isMissing(answer)) return answer
    throw new AppError('engine-unavailable', failure(answer))
  }
  const find = async (name: string): Promise<Run | null> => {
    const answer = await asked('runs/get', { run_name: name })
    return answer.refusal === null ? (answer.body as Run) : null
  }
  return {
    platform: 'dstack',
    // it has the run when it has answered, but the answer may not arrive
    listedWithinMs: LIMIT_MS,
    async submit(name, env, signal) {
      const run_spec = { run_name: name, configuration: withEnv(configuration, env) }
      const body = { plan: { run_spec, current_resource: null }, force: false }
      const answer = await post('runs/apply', body, signal)
      if (answer.refusal === null) return
      const passes = answer.status === 429 || answer.status >= 500
      throw new AppError(passes ? 'engine-unavailable' : 'invalid-config', failure(answer))
    },
    async status(name) {
      const run = await find(name)
      return run === null ? null : statusOf(run)
    },
    async cancel(name) {
      await asked('runs/stop', { runs_names: [name], abort: false })
    },
    async lastLines(name) {
      const submission = (await find(name))?.latest_job_submission
      if (!submission) return ''
      const answer = await asked('logs/poll', {
        run_name: name,
        job_submission_id: submission.id,
        descending: true,
        limit: LINES,
      })
      const { logs } = answer.body as { logs: { message: string }[] }
      const text = logs
        .reverse()
        .map(({ message }) => Buffer.from(message, 'base64').toString('utf8'))
      return text.join('').trim().slice(-TAIL_CHARS)
    },
  }
}
