/** dstack's REST API over a platform, after the OpenAPI of its server 0.22: the part that is used. */
import { Hono } from 'hono'
import { z } from 'zod'
import { serveApp, type Served } from '../serve-app.ts'
import type { Platform, PlatformRun } from './platform.ts'

export const DSTACK_TOKEN = 'dstack-token'

/** `ApplyRunPlanRequest`, of which further fields may be left out. */
const applySchema = z.strictObject({
  plan: z.strictObject({
    run_spec: z.strictObject({
      run_name: z.string().regex(/^[a-z][a-z0-9-]{1,40}$/),
      configuration: z.looseObject({
        type: z.literal('task'),
        env: z.union([z.array(z.string()), z.record(z.string(), z.string())]),
      }),
    }),
    current_resource: z.null(),
  }),
  force: z.literal(false),
})
const getSchema = z.strictObject({ run_name: z.string() })
const stopSchema = z.strictObject({ runs_names: z.array(z.string()), abort: z.boolean() })
const logsSchema = z.strictObject({
  run_name: z.string(),
  job_submission_id: z.uuid(),
  descending: z.boolean(),
  limit: z.number().max(1000),
})

const STATUSES: Record<PlatformRun['state'], [string, string | null, string | null]> = {
  queued: ['provisioning', null, null],
  running: ['running', null, null],
  done: ['done', 'all_jobs_done', 'done_by_runner'],
  failed: ['failed', 'job_failed', 'container_exited_with_error'],
  lost: ['failed', 'job_failed', 'interrupted_by_no_capacity'],
  stopped: ['terminated', 'stopped_by_user', 'terminated_by_user'],
  unheard: ['hibernating', null, null],
}

const uuidOf = (run: PlatformRun): string =>
  `00000000-0000-4000-8000-${String(run.id).padStart(12, '0')}`

const runOf = (run: PlatformRun) => {
  const [status, termination_reason, ofJob] = STATUSES[run.state]
  return {
    id: uuidOf(run),
    status,
    status_message: status,
    termination_reason,
    latest_job_submission: {
      id: uuidOf(run),
      termination_reason: ofJob,
      termination_reason_message: null,
      exit_status: run.state === 'failed' ? 75 : null,
    },
  }
}

const envOf = (env: string[] | Record<string, string>): Record<string, string> =>
  Array.isArray(env)
    ? Object.fromEntries(
        env.map((pair) => [pair.split('=')[0]!, pair.slice(pair.indexOf('=') + 1)])
      )
    : env

const refusal = (msg: string, code = 'error') => ({ detail: [{ msg, code }] })

export const startDstackServer = (platform: Platform): Promise<Served> => {
  const app = new Hono()
  app.use(async (c, next) => {
    if (platform.fault !== null)
      return c.json({ detail: 'no answer now' }, platform.fault as 429 | 500)
    if (c.req.header('authorization') !== `Bearer ${DSTACK_TOKEN}`)
      return c.json({ detail: { msg: 'Invalid token', code: null } }, 403)
    return next()
  })
  const post = <Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    answer: (body: z.infer<Schema>) => object | null
  ) =>
    app.post(`/api/project/main/${path}`, async (c) => {
      const body = schema.safeParse(await c.req.json())
      if (!body.success) return c.json({ detail: [{ msg: body.error.message, code: null }] }, 422)
      const content = answer(body.data)
      return content !== null && 'detail' in content ? c.json(content, 400) : c.json(content)
    })
  post('runs/apply', applySchema, ({ plan: { run_spec } }) => {
    const current = platform.find(run_spec.run_name)
    if (current !== undefined && platform.isActive(current))
      return refusal('Failed to apply plan. Resource has been changed.')
    return runOf(platform.submit(run_spec.run_name, envOf(run_spec.configuration.env)))
  })
  post('runs/get', getSchema, ({ run_name }) => {
    const run = platform.find(run_name)
    return run === undefined ? refusal('Run not found', 'resource_not_exists') : runOf(run)
  })
  post('runs/stop', stopSchema, ({ runs_names }) => {
    for (const name of runs_names) platform.cancel(name)
    return null
  })
  post('logs/poll', logsSchema, ({ run_name }) => ({
    logs: (platform.find(run_name)?.log ?? '')
      .split(/(?<=\n)/)
      .reverse()
      .map((line) => ({
        timestamp: '2026-12-01T00:00:00Z',
        log_source: 'stdout',
        message: Buffer.from(line).toString('base64'),
      })),
  }))
  return serveApp(app)
}
