/** Templates: traffic, economics, and the start and rollback of an internalization. */
import type { Api } from './described.ts'
import { createRoute, z } from '@hono/zod-openapi'
import { newInternalization } from '../../core/internalization/internalization.ts'
import type { Template } from '../../core/template/template.ts'
import { removeFieldRule, setFieldRule } from '../../lifecycle/fields/field-rules.ts'
import { rollBack } from '../../lifecycle/promote.ts'
import type { AdminDeps } from '../deps.ts'
import { readTemplate, readTemplateFacts } from '../reading/template-facts.ts'
import {
  internalizationSummarySchema,
  jsonBody,
  labelSchema,
  listOf,
  noteSchema,
  optionalBody,
  reasonSchema,
  responses,
  templateSchema,
  templateFiguresSchema,
  templateSummarySchema,
} from './schemas.ts'
import { fieldRuleRequestSchema, fieldRuleSchema } from './field-schemas.ts'
import { internalizationSummary, templateFigures, templateSummary } from './views.ts'
import { itemAt, valueIn } from '../../core/lists.ts'

const params = z.object({ version: z.string() })

const listRoute = createRoute({
  method: 'get',
  path: '/templates',
  summary: 'Templates with their anchors, slots, traffic, and whether internalizing them pays',
  responses: responses(
    200,
    listOf(z.union([templateSummarySchema, templateFiguresSchema])),
    'All templates'
  ),
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
  request: { params, body: optionalBody(noteSchema) },
  responses: responses(201, internalizationSummarySchema, 'The new candidate'),
})

const labelRoute = createRoute({
  method: 'put',
  path: '/templates/{version}/label',
  summary: 'Give a template a readable name, or remove it',
  request: { params, body: jsonBody(labelSchema) },
  responses: responses(200, labelSchema.extend({ version: z.string() }), 'The label'),
})

const fieldsRoute = createRoute({
  method: 'put',
  path: '/templates/{version}/fields',
  summary: 'Say how a field of JSON answers is compared, or take it back',
  description:
    'Nothing is guessed: without a rule, every field must agree. A rule takes effect with the next internalization. ' +
    'A judged or live internalization keeps the rules of its plan.',
  request: { params, body: jsonBody(fieldRuleRequestSchema) },
  responses: responses(200, listOf(fieldRuleSchema), 'All rules of the template'),
})

const rollbackRoute = createRoute({
  method: 'post',
  path: '/routes/{version}/rollback',
  summary: 'Retire the live internalization of a template and restore the previous one',
  request: { params, body: optionalBody(reasonSchema) },
  responses: responses(
    200,
    z.object({
      retired: internalizationSummarySchema,
      restored: internalizationSummarySchema.nullable(),
    }),
    'The retired internalization and the restored one'
  ),
})

const addReading = (app: Api, deps: AdminDeps): void => {
  const { store } = deps

  const summaries = async (templates: Template[]) => {
    const economics = await deps.economics.assess(templates)
    const caches = await deps.economics.caches()
    const facts = await readTemplateFacts(store, templates)
    return facts.map((fact) => {
      const { version } = fact.template
      return templateSummary(
        fact,
        valueIn(economics, version),
        caches.templates.get(version) ?? null
      )
    })
  }

  app.openapi(listRoute, async (context) => {
    const templates = await store.templates.list()
    if (context.get('role') === 'full')
      return context.json({ data: await summaries(templates) }, 200)
    const economics = await deps.economics.assess(templates)
    const facts = await readTemplateFacts(store, templates)
    const data = facts.map((fact) =>
      templateFigures(fact, valueIn(economics, fact.template.version))
    )
    return context.json({ data }, 200)
  })

  app.openapi(getRoute, async (context) => {
    const template = await readTemplate(store, context.req.valid('param').version)
    const summary = itemAt(await summaries([template]), 0)
    const fields = await store.templates.fields(template.version)
    return context.json({ ...template, ...summary, fields }, 200)
  })
}

const addDecisions = (app: Api, deps: AdminDeps): void => {
  const { store, now, newId, rollout, refreshRoutes } = deps

  app.openapi(internalizeRoute, async (context) => {
    const template = await readTemplate(store, context.req.valid('param').version)
    const created = newInternalization(newId(), template, now())
    await store.internalizations.create(created, 'admin', context.req.valid('json').reason)
    return context.json(internalizationSummary(created), 201)
  })

  app.openapi(labelRoute, async (context) => {
    const { version } = await readTemplate(store, context.req.valid('param').version)
    const { label } = context.req.valid('json')
    await store.templates.label(version, label)
    return context.json({ version, label }, 200)
  })

  app.openapi(fieldsRoute, async (context) => {
    const { version } = await readTemplate(store, context.req.valid('param').version)
    const { path, rule, why } = context.req.valid('json')
    if (rule === null) await removeFieldRule(store, version, path)
    else await setFieldRule(store, version, { path, rule, why }, { by: 'admin', now: now() })
    return context.json({ data: await store.templates.fields(version) }, 200)
  })

  app.openapi(rollbackRoute, async (context) => {
    const { reason } = context.req.valid('json')
    const { version } = await readTemplate(store, context.req.valid('param').version)
    const { retired, restored } = await rollBack(store, version, reason ?? 'rolled back', {
      by: 'admin',
      now: now(),
      rollout,
    })
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

export const addTemplateRoutes = (app: Api, deps: AdminDeps): void => {
  addReading(app, deps)
  addDecisions(app, deps)
}
