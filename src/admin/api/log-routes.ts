/** The log: records, forgetting and savings; and the status and the settings of the process. */
import { createRoute, z } from '@hono/zod-openapi'
import { SEARCH_OUTCOMES, SEARCH_STATUSES } from '../../core/log/record-filter.ts'
import { forget } from '../../lifecycle/forget.ts'
import { forgetTasks } from '../../lifecycle/forget-task.ts'
import type { AdminDeps } from '../deps.ts'
import { savingsSchema } from '../../views/money.ts'
import { queryOf, recordSchema, recordView } from '../../views/record.ts'
import { jsonBody, listOf, responses, type Api } from './route.ts'

const forgetRequestSchema = z
  .object({
    recordIds: z.array(z.string()).min(1).max(1000).optional(),
    tenant: z.string().min(1).optional().describe('tenant of records and templates'),
    user: z
      .string()
      .min(1)
      .optional()
      .describe('`user`, `safety_identifier` or `metadata.user_id` of the request as logged'),
    retire: z
      .boolean()
      .default(false)
      .describe('also retire the routes of the loras trained on the records, and delete the loras'),
    dryRun: z.boolean().default(false).describe('report only; nothing is deleted'),
  })
  .openapi('ForgetRequest', { description: 'Selects the records that match every given field' })

const forgetReportSchema = z
  .object({
    dryRun: z.boolean(),
    records: z.number(),
    bodies: z.number().nullable().describe('null in a dry run'),
    learned: z
      .array(
        z.object({
          id: z.string(),
          templateVersion: z.string(),
          state: z.string().describe('afterwards'),
          trained: z.number().describe('of the records'),
          heldOut: z.number(),
          loras: z.array(z.string()),
        })
      )
      .describe('internalizations that used the records'),
    task: z.string().nullable().describe('work left for the worker'),
  })
  .openapi('ForgetReport')

const recordsRoute = createRoute({
  method: 'get',
  path: '/records',
  summary: 'Logged exchanges, by default newest first',
  request: {
    query: z.object({
      limit: z.coerce.number().int().min(1).max(500).default(50),
      after: z.coerce.number().int().min(0).optional().openapi({
        description: '`next` of the previous page',
      }),
      order: z.enum(['asc', 'desc']).default('desc'),
      template: z.string().optional().openapi({
        description: 'a template version, or the start of one',
      }),
      tenant: z.string().optional(),
      outcome: z.enum(SEARCH_OUTCOMES).optional().openapi({
        description: '`none`: no live template matched; `bought`: a move sent it to another model',
      }),
      status: z.enum(SEARCH_STATUSES).optional(),
      from: z.string().optional().openapi({
        description: 'first day, minute or second in UTC: `2026-11-29` or `2026-11-29T10:00`',
      }),
      to: z.string().optional().openapi({ description: 'last one, inclusive' }),
      text: z.string().optional().openapi({
        description:
          'part of the question or the answer, in upper or lower case; needs ADMIN_TOKEN',
      }),
      conversation: z
        .string()
        .optional()
        .openapi({
          description:
            'id of a record: returns it and the other turns of its conversation. A turn is a record of the same tenant, ' +
            'within a day, whose user messages continue those of this record or are continued by them',
        }),
      bodies: z.enum(['true', 'false']).default('false'),
    }),
  },
  responses: responses(
    200,
    z.object({
      data: z.array(recordSchema),
      next: z.number().nullable().describe('`after` of the next page; null on the last one'),
      isPartial: z
        .boolean()
        .describe(
          'true: 5,000 records or 16 MiB of bodies were read, and fewer than `limit` match; `next` continues the search'
        ),
      searched: z.number().describe('records that were read one by one'),
    }),
    'A page of records'
  ),
})

const savingsRoute = createRoute({
  method: 'get',
  path: '/savings',
  summary: 'What was spent and saved, in total and by template',
  responses: responses(200, savingsSchema, 'The last day, week and month, and since the log began'),
})

const statusRoute = createRoute({
  method: 'get',
  path: '/status',
  summary: 'Engine, worker and log of this process, and counts of stored objects',
  responses: responses(
    200,
    z
      .object({
        templates: z.number(),
        internalizations: z.record(z.string(), z.number()).describe('number by state'),
        forgetting: z.number().describe('forget requests that the worker has not finished yet'),
      })
      .loose(),
    'The running process'
  ),
})

const settingsRoute = createRoute({
  method: 'get',
  path: '/settings',
  summary: 'The settings in force, by environment variable; secrets are masked',
  responses: responses(
    200,
    listOf(
      z.object({
        name: z.string(),
        value: z.string().describe('empty without a value; `set` for a secret'),
        isDefault: z.boolean(),
      })
    ),
    'Every setting once'
  ),
})

const forgetRoute = createRoute({
  method: 'post',
  path: '/forget',
  summary: 'Delete records and all copies of their text, and name the loras trained on them',
  description:
    'Records are deleted before the response. The worker then cleans templates, database files and the ' +
    'training files of the engine; `forgetting` in `/status` counts the requests that it has not ' +
    'finished. Repeating a request is harmless and completes an interrupted one.',
  request: { body: jsonBody(forgetRequestSchema) },
  responses: responses(200, forgetReportSchema, 'What was deleted, or would be'),
})

export const addLogRoutes = (
  app: Api,
  { store, status, settings, costUsd, economics, ...deps }: AdminDeps
): void => {
  const { now, newId, rollout, refreshRoutes } = deps
  app.openapi(recordsRoute, async (context) => {
    const { bodies, limit, order, ...filter } = context.req.valid('query')
    const found = await store.records.search({
      ...(await queryOf(store, filter)),
      limit,
      order,
      bodies: bodies === 'true',
      estimates: true,
    })
    const data = found.data.map((row) => recordView(row, bodies === 'true', costUsd))
    return context.json({ ...found, data }, 200)
  })

  app.openapi(forgetRoute, async (context) => {
    const { retire, dryRun, ...selection } = context.req.valid('json')
    const report = await forget(
      store,
      { selection, retire, dryRun },
      { by: 'admin', now: now(), rollout, newId }
    )
    if (retire && !dryRun) await refreshRoutes()
    return context.json(report, 200)
  })

  app.openapi(savingsRoute, async (context) => {
    return context.json(await economics.savings(), 200)
  })

  app.openapi(settingsRoute, (context) => context.json({ data: settings() }, 200))

  app.openapi(statusRoute, async (context) => {
    const internalizations: Record<string, number> = {}
    for (const { state } of await store.internalizations.list({ recordIds: false })) {
      internalizations[state.name] = (internalizations[state.name] ?? 0) + 1
    }
    const templates = (await store.templates.list()).length
    const forgetting = (await forgetTasks(store)).length
    return context.json({ ...status(), templates, internalizations, forgetting }, 200)
  })
}
