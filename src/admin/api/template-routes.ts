/** Templates: traffic, economics, and the start and rollback of an internalization. */
import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi'
import { newInternalization } from '../../core/lifecycle/internalization.ts'
import type { Template } from '../../core/template/template.ts'
import { rollBack } from '../../lifecycle/promote.ts'
import type { AdminDeps } from '../deps.ts'
import { readTemplate, readTemplateFacts } from '../reading/template-facts.ts'
import {
  internalizationSummarySchema,
  listOf,
  reasonSchema,
  responses,
  templateSchema,
  templateSummarySchema,
} from './schemas.ts'
import { internalizationSummary, templateSummary } from './views.ts'

const params = z.object({ version: z.string() })

const listRoute = createRoute({
  method: 'get',
  path: '/templates',
  summary: 'Templates with their anchors, slots, traffic, and whether internalizing them pays',
  responses: responses(200, listOf(templateSummarySchema), 'All templates'),
})

const getRoute = createRoute({
  method: 'get',
  path: '/templates/{version}',
  summary: 'One template with its messages and segments',
  request: { params },
  responses: responses(200, templateSchema, 'The template'),
})

const internalizeRoute = createRoute({
  method: 'post',
  path: '/templates/{version}/internalize',
  summary: 'Start the internalization of a template, unless one is in progress',
  request: { params },
  responses: responses(201, internalizationSummarySchema, 'The new candidate'),
})

const rollbackRoute = createRoute({
  method: 'post',
  path: '/routes/{version}/rollback',
  summary: 'Retire the live internalization of a template and restore the previous one',
  request: {
    params,
    body: { required: false, content: { 'application/json': { schema: reasonSchema } } },
  },
  responses: responses(
    200,
    z.object({
      retired: internalizationSummarySchema,
      restored: internalizationSummarySchema.nullable(),
    }),
    'The retired internalization and the restored one'
  ),
})

export const addTemplateRoutes = (app: OpenAPIHono, deps: AdminDeps): void => {
  const { store, now, newId, rollout, refreshRoutes } = deps

  const summaries = async (templates: Template[]) => {
    const economics = await deps.economics.assess(templates)
    const facts = await readTemplateFacts(store, templates)
    return facts.map((fact) => templateSummary(fact, economics.get(fact.template.version)!))
  }

  app.openapi(listRoute, async (context) => {
    return context.json({ data: await summaries(await store.templates.list()) }, 200)
  })

  app.openapi(getRoute, async (context) => {
    const template = await readTemplate(store, context.req.valid('param').version)
    const [summary] = await summaries([template])
    return context.json({ ...template, ...summary! }, 200)
  })

  app.openapi(internalizeRoute, async (context) => {
    const template = await readTemplate(store, context.req.valid('param').version)
    const created = newInternalization(newId(), template, now())
    await store.internalizations.create(created, 'admin')
    return context.json(internalizationSummary(created), 201)
  })

  app.openapi(rollbackRoute, async (context) => {
    const { reason } = context.req.valid('json')
    const { retired, restored } = await rollBack(
      store,
      context.req.valid('param').version,
      reason ?? 'rolled back',
      { by: 'admin', now: now(), rollout }
    )
    await refreshRoutes()
    return context.json(
      {
        retired: internalizationSummary(retired),
        restored: restored === null ? null : internalizationSummary(restored),
      },
      200
    )
  })
}
