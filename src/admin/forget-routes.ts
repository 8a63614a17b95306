/** Forgetting: records with all that holds their text, and the names of what was learned from them. */
import { createRoute, type OpenAPIHono } from '@hono/zod-openapi'
import { forget } from '../lifecycle/forget.ts'
import type { AdminDeps } from './deps.ts'
import { forgetReportSchema, forgetRequestSchema, responses } from './schemas.ts'

const forgetRoute = createRoute({
  method: 'post',
  path: '/forget',
  summary: 'Delete records with all that holds their text, and name the loras trained on them',
  description:
    'Records are gone when it answers. Templates, the files of the database and the training files ' +
    'of the engine are cleaned by the worker right after: `forgetting` in `/status` counts what it ' +
    'has not ended yet. Repeating it is harmless and ends what was interrupted.',
  request: {
    body: { required: true, content: { 'application/json': { schema: forgetRequestSchema } } },
  },
  responses: responses(200, forgetReportSchema, 'What was deleted, or would be'),
})

export const addForgetRoutes = (app: OpenAPIHono, deps: AdminDeps): void => {
  const { store, now, trafficShare, newId, refreshRoutes } = deps
  app.openapi(forgetRoute, async (context) => {
    const { retire, dryRun, ...selection } = context.req.valid('json')
    const report = await forget(
      store,
      { selection, retire, dryRun },
      { by: 'admin', now: now(), trafficShare, newId }
    )
    if (retire && !dryRun) await refreshRoutes()
    return context.json(report, 200)
  })
}
