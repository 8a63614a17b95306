/** Templates with what is known of them, as API, command line and page have them. */
import { z } from '@hono/zod-openapi'
import type { TemplateEconomics } from '../core/cost/template-economics.ts'
import { whole } from '../core/figure-text.ts'
import { removedPlaces, type RemovedPlace } from '../core/template/removed-places.ts'
import { nonEmpty, valueIn } from '../core/lists.ts'
import type { TemplateCache } from '../savings/caches.ts'
import type { Economics } from '../savings/economics.ts'
import type { FactTable } from './facts.ts'
import { internalizationSummary, internalizationSummarySchema } from './internalization.ts'
import { cacheSchema, economicsSchema, statsSchema } from './money.ts'
import { stored, texts, time } from './shape.ts'
import { nameOf } from '../core/template/name.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import {
  slotsOf,
  type Anchor,
  type Segment,
  type Slot,
  type Template,
} from '../core/template/template.ts'
import { AppError } from '../errors.ts'
import { findTemplate } from '../lifecycle/find.ts'
import type { Store, TemplateStats } from '../store/store.ts'

export const fieldRuleSchema = z
  .object({
    path: z.string().describe('`order.id`, `items[].sku`, `["a.b"].c`; `.` is the whole answer'),
    rule: z
      .discriminatedUnion('kind', [
        z.object({ kind: z.literal('free') }),
        z.object({ kind: z.literal('set') }),
        z.object({ kind: z.literal('rounded'), to: z.number().positive() }),
        z.object({ kind: z.literal('written') }),
      ])
      .describe(
        '`free`: any value. `set`: a list in any order. `rounded`: to the nearest multiple. `written`: the judge compares'
      ),
    by: z.string(),
    why: z.string(),
    at: time,
  })
  .openapi('FieldRule', { description: 'How a field of JSON answers is compared' })

/** What the role `read` gets of a template: figures, and no text of its traffic. */
export const templateFiguresSchema = z
  .object({
    version: z.string(),
    label: z.string().nullable().describe('name that a person gave'),
    name: z.string().describe('the label, or what the prompt says'),
    tenant: z.string(),
    model: z.string(),
    stats: statsSchema,
    economics: economicsSchema,
    state: z.string().nullable().describe('of the newest internalization'),
    liveInternalizationId: z.string().nullable(),
  })
  .openapi('TemplateFigures', { description: 'What ADMIN_READ_TOKEN reads of a template' })

export const templateSummarySchema = templateFiguresSchema
  .extend({
    anchors: z.object({
      count: z.number(),
      chars: z.number(),
      preview: z.string().describe('the longest, shortened'),
    }),
    slots: z.array(
      z.object({
        name: z.string(),
        type: z.enum(['enum', 'short']),
        values: texts.optional(),
        kept: z.boolean().describe('false: the answer does not depend on it'),
      })
    ),
    removed: z
      .array(
        z.object({
          name: z.string().describe("'' of constant text"),
          holds: z.enum(['constant', 'examples', 'shapes']),
          count: z.number().describe('characters, known examples, or shapes'),
          seen: texts.describe('some, shortened'),
        })
      )
      .describe('text that is removed unread; any other text there does not match'),
    caller: z.string().optional().describe('id of the only key whose requests match'),
    movedFrom: z.string().optional().describe('version that a person has moved to this model'),
    maxTurnsAfter: z.number(),
    cache: cacheSchema.nullable().describe('null: not read yet, or too few requests lately'),
    internalization: internalizationSummarySchema.nullable().describe('the newest one'),
  })
  .openapi('TemplateSummary')

export const templateSchema = templateSummarySchema
  .extend({
    fields: z.array(fieldRuleSchema),
    tools: z.string(),
    responseFormat: z.string(),
    messages: stored<Template['messages']>('role and segments of each message').openapi({
      type: 'array',
      items: { type: 'object' },
    }),
  })
  .openapi('Template')

export type TemplateFigures = z.infer<typeof templateFiguresSchema>
export type TemplateSummary = z.infer<typeof templateSummarySchema>
export type TemplateView = z.infer<typeof templateSchema>

export interface TemplateFacts {
  template: Template
  /** name that a person gave; null: none */
  label: string | null
  /** the label, or what the prompt says */
  name: string
  stats: TemplateStats
  /** of this template, oldest first; plans without their records */
  internalizations: Internalization[]
  /** null: no route is live */
  liveInternalizationId: string | null
}

const NO_STATS: TemplateStats = {
  requests: 0,
  bought: 0,
  answered: 0,
  forwarded: 0,
  promptTokensSaved: 0,
  lastSeen: null,
}

/** In the order of the templates. Takes four queries, however many templates there are. */
export const readTemplateFacts = async (
  store: Pick<Store, 'templates' | 'internalizations' | 'routes'>,
  templates: readonly Template[]
): Promise<TemplateFacts[]> => {
  const totals = await store.templates.totals()
  const internalizations = await store.internalizations.list({ recordIds: false })
  const routes = await store.routes.list()
  const labels = await store.templates.labels()
  const statsOf = new Map(totals.map(({ version, ...stats }) => [version, stats]))
  const liveOf = new Map(
    routes.map(({ template, internalizationId }) => [template.version, internalizationId])
  )
  return templates.map((template) => {
    const { version } = template
    const label = labels.get(version) ?? null
    return {
      template,
      label,
      name: nameOf(template, label),
      stats: statsOf.get(version) ?? NO_STATS,
      internalizations: internalizations.filter((row) => row.templateVersion === version),
      liveInternalizationId: liveOf.get(version) ?? null,
    }
  })
}

/** @param version or the start of it. @throws AppError `not-found`, `conflict` */
export const readTemplate = async (
  store: Pick<Store, 'templates'>,
  version: string
): Promise<Template> => {
  const template = await findTemplate(store, version)
  if (template === null) throw new AppError('not-found', `there is no template ${version}`)
  return template
}

const PREVIEW_CHARS = 200

const anchorsView = (segments: Segment[]) => {
  const anchors = segments.filter((segment): segment is Anchor => segment.kind === 'anchor')
  const longest = anchors.reduce((best, { text }) => (text.length > best.length ? text : best), '')
  return {
    count: anchors.length,
    chars: anchors.reduce((sum, { text }) => sum + text.length, 0),
    preview: longest.slice(0, PREVIEW_CHARS),
  }
}

const slotView = ({ name, type, values, kept }: Slot) => ({
  name,
  type,
  kept,
  ...(values === undefined ? {} : { values }),
})

const templateFigures = (
  { template, label, name, stats, internalizations, liveInternalizationId }: TemplateFacts,
  economics: TemplateEconomics
): TemplateFigures => ({
  version: template.version,
  label,
  name,
  tenant: template.tenant,
  model: template.model,
  stats,
  economics,
  state: internalizations.at(-1)?.state.name ?? null,
  liveInternalizationId,
})

const templateSummary = (
  facts: TemplateFacts,
  economics: TemplateEconomics,
  cache: TemplateCache | null
): TemplateSummary => {
  const { template, internalizations } = facts
  const segments = template.messages.flatMap((message) => message.segments)
  const newest = internalizations.at(-1)
  return {
    ...templateFigures(facts, economics),
    maxTurnsAfter: template.maxTurnsAfter,
    anchors: anchorsView(segments),
    slots: slotsOf(template).map(slotView),
    removed: removedPlaces(template),
    ...(template.caller !== undefined && { caller: template.caller }),
    ...(template.movedFrom !== undefined && { movedFrom: template.movedFrom }),
    cache,
    internalization: newest === undefined ? null : internalizationSummary(newest),
  }
}

export interface ViewDeps {
  store: Store
  economics: Economics
}

/** In the order of the templates. */
export const templateFiguresOf = async (
  { store, economics }: ViewDeps,
  templates: readonly Template[]
): Promise<TemplateFigures[]> => {
  const assessed = await economics.assess(templates)
  const facts = await readTemplateFacts(store, templates)
  return facts.map((fact) => templateFigures(fact, valueIn(assessed, fact.template.version)))
}

/** In the order of the templates. */
export const templateSummaries = async (
  { store, economics }: ViewDeps,
  templates: readonly Template[]
): Promise<TemplateSummary[]> => {
  const assessed = await economics.assess(templates)
  const caches = await economics.caches()
  const facts = await readTemplateFacts(store, templates)
  return facts.map((fact) => {
    const { version } = fact.template
    return templateSummary(fact, valueIn(assessed, version), caches.templates.get(version) ?? null)
  })
}

/** All that is known of one template. */
export const templateView = async (deps: ViewDeps, template: Template): Promise<TemplateView> => {
  const [summary] = nonEmpty(await templateSummaries(deps, [template]))
  const fields = await deps.store.templates.fields(template.version)
  return { ...template, ...summary, fields }
}

const HOLDS: Record<RemovedPlace['holds'], (count: number) => string> = {
  constant: (count) => `constant text of ${whole(count)} characters`,
  examples: (count) => `examples from a set of ${whole(count)} known ones, unchanged`,
  shapes: (count) => `a value of one of ${whole(count)} known shapes`,
}

const SEEN_CHARS = 40

export const removedTable = (template: Template): FactTable => ({
  caption:
    'Text that is removed unread; a request with any other text in its place goes to the upstream',
  columns: ['Removed unread', 'May hold', 'For example'],
  rows: removedPlaces(template).map(({ name, holds, count, seen }) => [
    name === '' ? 'text of the prompt' : name,
    HOLDS[holds](count),
    seen.map((text) => JSON.stringify(text.slice(0, SEEN_CHARS))).join(', '),
  ]),
})
