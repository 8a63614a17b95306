/**
 * SkyPilot's API server without a machine, after the OpenAPI of its server 0.14: what `sky jobs launch` and `cancel` ask
 * for. A call gets a request's id, and its value is asked for by that.
 */
import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import { parse } from 'yaml'
import { z } from 'zod'
import { serveApp, type Served } from './serve-app.ts'

const VERSION = { 'x-skypilot-api-version': '62', 'x-skypilot-version': '0.14.1' }
/** Python's pickle of None */
const NONE = 'gAROLg=='

const launchSchema = z.looseObject({ task: z.string(), name: z.string() })
const cancelSchema = z.looseObject({ name: z.string().nullish() })
const logsSchema = z.looseObject({ job_id: z.number(), follow: z.boolean() })

/** A managed job. */
export interface SkyJob {
  name: string
  env: Record<string, string>
  isCancelled: boolean
  /** resolves with the exit code of `sky jobs launch`, which follows it */
  ended: Promise<number>
  end(code: 0 | 100 | 103): void
}

/** The dag's YAML: its name, then the task. */
const envOf = (task: string): Record<string, string> => {
  const documents = task.split(/^---$/m).map((text) => parse(text) as { envs?: object } | null)
  return { ...documents.find((one) => one?.envs !== undefined)?.envs }
}

const withResolvers = () => {
  let resolve!: (code: number) => void
  const promise = new Promise<number>((settle) => (resolve = settle))
  return { promise, resolve }
}

const newJob = (name: string, env: Record<string, string>): SkyJob => {
  const { promise, resolve } = withResolvers()
  return { name, env, isCancelled: false, ended: promise, end: resolve }
}

export interface SkyPilotServer extends Served {
  jobs: readonly SkyJob[]
}

export const startSkyPilotServer = async (
  onLaunch: (job: SkyJob) => void
): Promise<SkyPilotServer> => {
  const app = new Hono()
  const jobs: SkyJob[] = []
  const values = new Map<string, { name: string; value: Promise<unknown> }>()
  app.use(async (c, next) => {
    for (const [name, text] of Object.entries(VERSION)) c.header(name, text)
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
      values.set(id, { name, value: Promise.resolve(answer(schema.parse(await c.req.json()))) })
      return c.json(null, 200, { 'x-skypilot-request-id': id })
    })
  post('/validate', z.any(), 'sky.validate', () => null)
  post('/jobs/launch', launchSchema, 'sky.jobs.launch', ({ task, name }) => {
    const job = newJob(name, envOf(task))
    jobs.push(job)
    onLaunch(job)
    return { job_id: [jobs.length], handle: null }
  })
  post('/jobs/cancel', cancelSchema, 'sky.jobs.cancel', ({ name }) => {
    for (const job of jobs.filter((one) => one.name === name)) {
      job.isCancelled = true
      job.end(103)
    }
  })
  app.post('/jobs/logs', async (c) => {
    const { job_id } = logsSchema.parse(await c.req.json())
    const id = randomUUID()
    values.set(id, { name: 'sky.jobs.logs', value: jobs[job_id - 1]!.ended })
    await jobs[job_id - 1]!.ended
    return c.text('', 200, { 'x-skypilot-request-id': id })
  })
  app.get('/api/stream', (c) =>
    c.text('', 200, { 'x-skypilot-stream-request-id': c.req.query('request_id') ?? '' })
  )
  app.get('/api/get', async (c) => {
    const id = c.req.query('request_id') ?? ''
    const found = values.get(id)
    if (found === undefined) return c.json({ detail: 'none' }, 404)
    return c.json({
      request_id: id,
      name: found.name,
      entrypoint: NONE,
      request_body: NONE,
      status: 'SUCCEEDED',
      created_at: 0,
      user_id: 'nobody',
      return_value: JSON.stringify((await found.value) ?? null),
      error: 'null',
      pid: null,
      schedule_type: 'short',
    })
  })
  app.notFound((c) => {
    process.stderr.write(`${c.req.method} ${c.req.path} ${c.req.url}\n`)
    return c.json({ detail: 'not found' }, 404)
  })
  return { ...(await serveApp(app)), jobs }
}
