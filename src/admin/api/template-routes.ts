/** Templates: traffic, economics, and the start and rollback of an internalization. */
import { createRoute, z } from '@hono/zod-openapi'
import { MAX_NOTE_CHARS, newInternalization } from '../../core/internalization/internalization.ts'
import { MAX_LABEL_CHARS } from '../../core/template/template.ts'
import { removeFieldRule, setFieldRule } from '../../lifecycle/fields/field-rules.ts'
import type { AdminDeps } from '../deps.ts'
import {
  internalizationSummary,
  internalizationSummarySchema,
} from '../../views/internalization.ts'
import {
  fieldRuleSchema,
  readTemplate,
  templateFiguresOf,
  templateFiguresSchema,
  templateSchema,
  templateSummaries,
  templateSummarySchema,
  templateView,
} from '../../views/template.ts'
import { jsonBody, listOf, noteSchema, optionalBody, responses, type Api } from './route.ts'

const labelSchema = z.object({
  label: z.string().trim().min(1).max(MAX_LABEL_CHARS).nullable().describe('null removes it'),
})

/** One rule of a template. */
const fieldRuleRequestSchema = z.object({
  path: fieldRuleSchema.shape.path,
  rule: fieldRuleSchema.shape.rule.nullable().describe('null removes the rule of the path'),
  why: z.string().max(MAX_NOTE_CHARS).default('').describe('required for a rule'),
})

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

const addReading = (app: Api, deps: AdminDeps): void => {
  const { store } = deps

  app.openapi(listRoute, async (context) => {
    const shown = context.get('role') === 'full' ? templateSummaries : templateFiguresOf
    return context.json({ data: await shown(deps, await store.templates.list()) }, 200)
  })

  app.openapi(getRoute, async (context) => {
    const template = await readTemplate(store, context.req.valid('param').version)
    return context.json(await templateView(deps, template), 200)
  })
}

const addDecisions = (app: Api, deps: AdminDeps): void => {
  const { store, now, newId } = deps

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
}

export const addTemplateRoutes = (app: Api, deps: AdminDeps): void => {
  addReading(app, deps)
  addDecisions(app, deps)
}
