/** Reads a page of templates, those with the most requests first. */
import type { InternalizationState } from '../../../core/internalization/internalization.ts'
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import type { AdminDeps } from '../../deps.ts'
import { readTemplateFacts, type TemplateFacts } from '../../../views/template.ts'
import { pageOf } from '../parts/filter.tsx'

export const ROWS = 50

/** A template that no internalization is of. */
export const WATCHED = 'watched'

export type TemplateState = InternalizationState['name'] | typeof WATCHED

export interface TemplateFilter {
  /** '' in any field: all */
  text: string
  state: string
  tenant: string
  /** from 1 */
  page: number
}

export interface TemplateRow extends TemplateFacts {
  /** null: not worked out yet */
  economics: TemplateEconomics | null
}

export interface TemplatesPage {
  rows: TemplateRow[]
  /** templates that the filter leaves */
  found: number
  page: number
  pages: number
  /** of all templates, sorted */
  tenants: string[]
}

/** States by which a template is found: that of its newest internalization, and live while a route is. */
const statesOf = ({ internalizations, liveInternalizationId }: TemplateFacts): TemplateState[] => [
  internalizations.at(-1)?.state.name ?? WATCHED,
  ...(liveInternalizationId === null ? [] : (['live'] as const)),
]

const textsOf = ({ template: { version, model, messages }, label }: TemplateFacts): string[] => [
  version,
  model,
  ...(label === null ? [] : [label]),
  ...messages.flatMap(({ segments }) =>
    segments.flatMap((segment) => (segment.kind === 'anchor' ? [segment.text] : []))
  ),
]

const fits = (facts: TemplateFacts, { text, state, tenant }: TemplateFilter): boolean => {
  const wanted = text.toLowerCase()
  return (
    (tenant === '' || facts.template.tenant === tenant) &&
    (state === '' || (statesOf(facts) as string[]).includes(state)) &&
    (text === '' || textsOf(facts).some((own) => own.toLowerCase().includes(wanted)))
  )
}

const byRequests = (one: TemplateFacts, other: TemplateFacts): number =>
  other.stats.requests - one.stats.requests ||
  (one.template.version < other.template.version ? -1 : 1)

/** @param isAssessed also reads from the log whether the shown templates pay, which takes seconds */
export const loadTemplates = async (
  { store, economics }: Pick<AdminDeps, 'store' | 'economics'>,
  filter: TemplateFilter,
  isAssessed: boolean
): Promise<TemplatesPage> => {
  const templates = await store.templates.list()
  const facts = await readTemplateFacts(store, templates)
  const found = facts.filter((each) => fits(each, filter)).sort(byRequests)
  const { page, pages, rows: shown } = pageOf(found, filter.page, ROWS)
  const assess = isAssessed ? economics.assess : economics.known
  const known = await assess(shown.map(({ template }) => template))
  return {
    rows: shown.map((row) => ({ ...row, economics: known.get(row.template.version) ?? null })),
    found: found.length,
    page,
    pages,
    tenants: [...new Set(templates.map(({ tenant }) => tenant))].sort(),
  }
}
