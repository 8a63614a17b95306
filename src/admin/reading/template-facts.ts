/** What is known of templates without reading the log, for the API and the page. */
import { nameOf } from '../../core/template/name.ts'
import type { Internalization } from '../../core/internalization/internalization.ts'
import type { Template } from '../../core/template/template.ts'
import { AppError } from '../../errors.ts'
import { findTemplate } from '../../lifecycle/find.ts'
import type { Store, TemplateStats } from '../../store/store.ts'

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
  savedUsd: 0,
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
