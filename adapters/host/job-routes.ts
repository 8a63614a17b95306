/** `/v1/fine_tuning/jobs`. */
import { type Context, Hono } from 'hono'
import { z } from 'zod'
import type { AppDeps } from './deps.ts'
import { listBody, pageQuery } from './list-body.ts'
import { parseJson, parseWith } from './validation.ts'

/** `?metadata[key]=value&…`, as OpenAI's clients write it. */
const metadataFilter = (c: Context): Record<string, string> =>
  Object.fromEntries(
    Object.entries(c.req.query()).flatMap(([name, value]) => {
      const key = /^metadata\[(.+)\]$/.exec(name)?.[1]
      return key === undefined ? [] : [[key, value]]
    })
  )

const orderSchema = z.object({ order: z.enum(['asc', 'desc']).default('desc') })

export const jobRoutes = ({ jobs }: AppDeps): Hono =>
  new Hono()
    .post('/fine_tuning/jobs', async (c) =>
      c.json(await jobs.create(parseJson(await c.req.text())))
    )
    .get('/fine_tuning/jobs', (c) => c.json(listBody(jobs.list(metadataFilter(c), pageQuery(c)))))
    .get('/fine_tuning/jobs/:id', (c) => c.json(jobs.get(c.req.param('id'))))
    .post('/fine_tuning/jobs/:id/cancel', async (c) => c.json(await jobs.cancel(c.req.param('id'))))
    .get('/fine_tuning/jobs/:id/events', async (c) => {
      const query = { ...pageQuery(c), ...parseWith(orderSchema, c.req.query()) }
      return c.json(listBody(await jobs.events(c.req.param('id'), query)))
    })
