/**
 * SkyPilot's API server over a platform, after the OpenAPI of its server 0.14: what `sky jobs launch`,
 * `queue`, `cancel` and `logs` ask for. A call gets a request's id, and its value is asked for by that.
 */
import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { parse } from 'yaml'
import { z } from 'zod'
import { serveApp, type Served } from '../serve-app.ts'
import type { Platform, PlatformRun } from './platform.ts'

const VERSION = { 'x-skypilot-api-version': '62', 'x-skypilot-version': '0.14.1' }
/** Python's pickle of None */
const NONE = 'gAROLg=='

const launchSchema = z.looseObject({ task: z.string(), name: z.string() })
const cancelSchema = z.looseObject({ name: z.string().nullish() })
const logsSchema = z.looseObject({ job_id: z.number(), follow: z.literal(false) })

const STATUSES: Record<PlatformRun['state'], string> = {
  queued: 'STARTING',
  running: 'RUNNING',
  done: 'SUCCEEDED',
  failed: 'FAILED',
  lost: 'FAILED_NO_RESOURCE',
  stopped: 'CANCELLED',
  unheard: 'WINDING_DOWN',
}

const jobOf = (run: PlatformRun) => ({
  job_id: run.id,
  task_id: 0,
  job_name: run.name,
  task_name: run.name,
  status: STATUSES[run.state],
  failure_reason: run.state === 'failed' ? 'Job exited with exit code 75' : null,
})

/** The dag's YAML: its name, then the task. */
const envOf = (task: string): Record<string, string> => {
  const documents = task.split(/^---$/m).map((text) => parse(text) as { envs?: object } | null)
  return { ...documents.find((one) => one?.envs !== undefined)?.envs }
}

interface Value {
  name: string
  value: unknown
}

const payloadOf = (id: string, { name, value }: Value) => ({
  request_id: id,
  name,
  entrypoint: NONE,
  request_body: NONE,
  status: 'SUCCEEDED',
  created_at: 0,
  user_id: 'nobody',
  return_value: JSON.stringify(value ?? null),
  error: 'null',
  pid: null,
  schedule_type: 'short',
})

export const startSkyPilotServer = (platform: Platform): Promise<Served> => {
  const app = new Hono()
  const values = new Map<string, Value>()
  app.use(async (c, next) => {
    for (const [name, text] of Object.entries(VERSION)) c.header(name, text)
    if (platform.fault !== null) return c.json({ detail: 'no answer now' }, platform.fault as 429)
    return next()
  })
  app.get('/api/health', (c) =>
    c.json({ status: 'healthy', api_version: '62', version: '0.14.1', commit: 'none', user: null })
  )
  const post = <Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    name: string,
    answer: (body: z.infer<Schema>) => unknown
  ) =>
    app.post(path, async (c) => {
      const id = randomUUID()
      values.set(id, { name, value: answer(schema.parse(await c.req.json())) })
      return c.json(null, 200, { 'x-skypilot-request-id': id })
    })
  post('/validate', z.any(), 'sky.validate', () => null)
  post('/jobs/launch', launchSchema, 'sky.jobs.launch', ({ task, name }) => ({
    job_id: [platform.submit(name, envOf(task)).id],
    handle: null,
  }))
  post('/jobs/queue/v2', z.any(), 'sky.jobs.queue_v2', () => ({
    jobs: platform.runs.map(jobOf),
    total: platform.runs.length,
  }))
  post('/jobs/pool_status', z.any(), 'sky.jobs.pool_status', () => [])
  post('/jobs/cancel', cancelSchema, 'sky.jobs.cancel', ({ name }) => platform.cancel(name ?? ''))
  app.post('/jobs/logs', async (c) => {
    const { job_id } = logsSchema.parse(await c.req.json())
    const headers = { 'x-skypilot-request-id': randomUUID() }
    return c.text(platform.runs.find(({ id }) => id === job_id)?.log ?? '', 200, headers)
  })
  app.get('/api/stream', (c) =>
    c.text('', 200, { 'x-skypilot-stream-request-id': c.req.query('request_id') ?? '' })
  )
  app.get('/api/get', (c) => {
    const id = c.req.query('request_id') ?? ''
    const value = values.get(id)
    return value === undefined ? c.json({ detail: 'none' }, 404) : c.json(payloadOf(id, value))
  })
  app.notFound((c) => {
    process.stderr.write(`${c.req.method} ${c.req.path} ${c.req.url}\n`)
    return c.json({ detail: 'not found' }, 404)
  })
  return serveApp(app)
}
