/** Converts objects of the domain to responses of the admin API. Pure. */
import type { z } from '@hono/zod-openapi'
import type { Internalization } from '../../core/internalization/internalization.ts'
import type { StoredRecord } from '../../core/log/record.ts'
import type { TemplateEconomics } from '../../core/cost/template-economics.ts'
import { removedPlaces } from '../../core/template/removed-places.ts'
import { slotsOf, type Anchor, type Segment, type Slot } from '../../core/template/template.ts'
import type { Usage } from '../../openai/chat.ts'
import { chargeOf } from '../reading/record-charge.ts'
import type { TemplateCache } from '../../savings/caches.ts'
import type { TemplateFacts } from '../reading/template-facts.ts'
import type {
  internalizationSummarySchema,
  recordSchema,
  templateFiguresSchema,
  templateSummarySchema,
} from './schemas.ts'

const PREVIEW_CHARS = 200

type InternalizationSummary = z.infer<typeof internalizationSummarySchema>

const resultOf = ({ verdict }: Internalization): InternalizationSummary['result'] => {
  const figures = verdict?.arms[verdict.arm]
  if (!verdict || !figures) return null
  const { agreement, coverage, agreementAnswered, agreementAnsweredBound, slices } = figures
  return {
    verdict: verdict.verdict,
    reason: verdict.reason,
    agreement,
    coverage,
    agreementAnswered,
    agreementAnsweredBound,
    slices,
  }
}

export const internalizationSummary = (row: Internalization): InternalizationSummary => ({
  id: row.id,
  tenant: row.tenant,
  templateVersion: row.templateVersion,
  state: row.state,
  createdAt: row.createdAt,
  updatedAt: row.updatedAt,
  result: resultOf(row),
})

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

/** What the role `read` gets of a template: figures, and no text of its traffic. */
export const templateFigures = (
  { template, label, name, stats, internalizations, liveInternalizationId }: TemplateFacts,
  economics: TemplateEconomics
): z.infer<typeof templateFiguresSchema> => ({
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

export const templateSummary = (
  facts: TemplateFacts,
  economics: TemplateEconomics,
  cache: TemplateCache | null
): z.infer<typeof templateSummarySchema> => {
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

/** @param costUsd the upstream's charge for an answer */
export const recordView = (
  { request, response, estimatedUsage = null, ...row }: StoredRecord,
  withBodies: boolean,
  costUsd: (model: string, usage: Usage | null) => number | null
): z.infer<typeof recordSchema> => {
  const view = { ...row, estimatedUsage, costUsd: chargeOf(row, costUsd) }
  return withBodies ? { ...view, request, response } : view
}
