/** Reads one template with its internalizations, their histories, and versions of the same prompt. */
import type { FieldRule } from '../../../core/answer/field-rules.ts'
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import type { HistoryEntry } from '../../../core/internalization/internalization.ts'
import type { TemplateCache } from '../../../savings/caches.ts'
import type { AdminDeps } from '../../deps.ts'
import {
  readTemplate,
  readTemplateFacts,
  type TemplateFacts,
} from '../../reading/template-facts.ts'
import { similarVersions, type SimilarVersion } from './versions.ts'

/** internalizations whose history is shown, the newest ones */
const MAX_HISTORIES = 20

/** A row of the history of an internalization. */
export interface TemplateHistoryRow extends HistoryEntry {
  internalizationId: string
}

export interface LoadedTemplate extends TemplateFacts {
  /** null: not worked out yet */
  economics: TemplateEconomics | null
  /** null: the worker has not read it, or found too few requests */
  cache: TemplateCache | null
  /** by path */
  fields: FieldRule[]
  /** newest first */
  history: TemplateHistoryRow[]
  similar: (SimilarVersion & Pick<TemplateFacts, 'stats' | 'name'>)[]
}

/**
 * @param isAssessed also reads from the log whether it pays, which takes seconds
 * @throws AppError `not-found`
 */
export const loadTemplate = async (
  { store, economics }: Pick<AdminDeps, 'store' | 'economics'>,
  version: string,
  isAssessed: boolean
): Promise<LoadedTemplate> => {
  const template = await readTemplate(store, version)
  const similar = similarVersions(template, await store.templates.list())
  const [facts, ...others] = await readTemplateFacts(store, [
    template,
    ...similar.map((each) => each.template),
  ])
  const history: TemplateHistoryRow[] = []
  for (const { id } of facts!.internalizations.slice(-MAX_HISTORIES))
    for (const entry of await store.internalizations.history(id))
      history.push({ ...entry, internalizationId: id })
  const assess = isAssessed ? economics.assess : economics.known
  return {
    ...facts!,
    economics: (await assess([template])).get(template.version) ?? null,
    cache: (await economics.caches(true)).templates.get(template.version) ?? null,
    fields: await store.templates.fields(template.version),
    history: history.sort((a, b) => b.at - a.at),
    similar: similar.map((each, at) => ({ ...others[at]!, ...each })),
  }
}
