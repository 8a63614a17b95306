/** The log, what was saved over it, and how the process is. */
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi'
import { forgetTasks } from '../lifecycle/forget-task.ts'
import type { AdminDeps } from './deps.ts'
import { savingsSchema } from './economics-schemas.ts'
import { recordSchema, responses } from './schemas.ts'
import { recordView, savingsView } from './views.ts'

const recordsRoute = createRoute({
  method: 'get',
  path: '/records',
  summary: 'Logged exchanges, newest first unless asked otherwise',
  request: {
    query: z.object({
      limit: z.coerce.number().int().min(1).max(500).default(50),
      after: z.coerce.number().int().min(0).optional().openapi({
        description: '`next` of the page before',
      }),
      order: z.enum(['asc', 'desc']).default('desc'),
      template: z.string().optional().openapi({ description: 'a template version' }),
      bodies: z.enum(['true', 'false']).default('false'),
    }),
  },
  responses: responses(
    200,
    z.object({
      data: z.array(recordSchema),
      next: z.number().nullable().describe('`after` of the next page; null on the last one'),
    }),
    'A page of records'
  ),
})

const savingsRoute = createRoute({
  method: 'get',
  path: '/savings',
  summary: 'What was answered and saved, gross and net, in total and by template',
  responses: responses(200, savingsSchema, 'Totals since the log began'),
})

const statusRoute = createRoute({
  method: 'get',
  path: '/status',
  summary: 'How engine, worker and log are, and what there is',
  responses: responses(
    200,
    z
      .object({
        templates: z.number(),
        internalizations: z.record(z.string(), z.number()).describe('how many in which state'),
        forgetting: z.number().describe('what was forgotten and is not cleaned up after yet'),
      })
      .loose(),
    'The running process'
  ),
})

export const addLogRoutes = (
  app: OpenAPIHono,
  { store, status, costUsd, estimatesUsage, economics }: AdminDeps
): void => {
  app.openapi(recordsRoute, async (context) => {
    const { limit, after, order, template, bodies } = context.req.valid('query')
    const rows = await store.records.list({
      limit,
      order,
      bodies: bodies === 'true',
      estimates: estimatesUsage,
      ...(after === undefined ? {} : { after }),
      ...(template === undefined ? {} : { templateVersion: template }),
    })
    const data = rows.map((row) => recordView(row, bodies === 'true', costUsd))
    const next = rows.length < limit ? null : rows.at(-1)!.sequence
    return context.json({ data, next }, 200)
  })

  app.openapi(savingsRoute, async (context) => {
    return context.json(savingsView(await economics.savings()), 200)
  })

  app.openapi(statusRoute, async (context) => {
    const internalizations: Record<string, number> = {}
    for (const { state } of await store.internalizations.list()) {
      internalizations[state.name] = (internalizations[state.name] ?? 0) + 1
    }
    const templates = (await store.templates.list()).length
    const forgetting = (await forgetTasks(store)).length
    return context.json({ ...status(), templates, internalizations, forgetting }, 200)
  })
}
