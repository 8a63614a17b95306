/** Reads one template with its internalizations, their histories, and versions of the same prompt. */
import type { FieldRule } from '../../../core/answer/field-rules.ts'
import type { TemplateEconomics } from '../../../core/cost/template-economics.ts'
import { followersOf, type Follower } from '../../../core/internalization/followers.ts'
import { namesOf } from '../../../core/template/name.ts'
import type { HistoryEntry } from '../../../core/internalization/internalization.ts'
import { termsOfTemplate } from '../../../core/internalization/answer-type.ts'
import type { AppliedTerms } from '../../../core/terms/terms.ts'
import type { TemplateCache } from '../../../savings/caches.ts'
import type { AdminDeps } from '../../deps.ts'
import { readTemplate, readTemplateFacts, type TemplateFacts } from '../../../views/template.ts'
import type { Names } from '../links.tsx'
import { similarVersions, type SimilarVersion } from './versions.ts'
import { nonEmpty, zip } from '../../../core/lists.ts'

/** internalizations whose history is shown, the newest ones */
const MAX_HISTORIES = 20

/** A row of the history of an internalization. */
export interface TemplateHistoryRow extends HistoryEntry {
  internalizationId: string
}

export interface LoadedTemplate extends TemplateFacts {
  /** templates of other models that it was moved to */
  followers: Follower[]
  /** of all templates */
  names: Names
  /** null: not worked out yet */
  economics: TemplateEconomics | null
  /** of its upstreams, about training on its answers */
  terms: AppliedTerms[]
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
  { store, economics, terms }: Pick<AdminDeps, 'store' | 'economics' | 'terms'>,
  version: string,
  isAssessed: boolean
): Promise<LoadedTemplate> => {
  const template = await readTemplate(store, version)
  const templates = await store.templates.list()
  const all = await store.internalizations.list({ recordIds: false })
  const similar = similarVersions(template, templates)
  const shown = [template, ...similar.map((each) => each.template)]
  const [facts, ...others] = nonEmpty(await readTemplateFacts(store, shown))
  const history: TemplateHistoryRow[] = []
  // what happened before the move is of the same prompt
  const line = [template.version, template.movedFrom]
  const inLine = all.filter(({ templateVersion }) => line.includes(templateVersion))
  for (const { id } of inLine.slice(-MAX_HISTORIES))
    for (const entry of await store.internalizations.history(id))
      history.push({ ...entry, internalizationId: id })
  const assess = isAssessed ? economics.assess : economics.known
  return {
    ...facts,
    economics: (await assess([template])).get(template.version) ?? null,
    terms: termsOfTemplate(terms, template.model, facts.internalizations),
    cache: (await economics.caches()).templates.get(template.version) ?? null,
    fields: await store.templates.fields(template.version),
    followers: followersOf(templates, all).get(template.version) ?? [],
    names: namesOf(templates, await store.templates.labels()),
    history: history.sort((a, b) => b.at - a.at),
    similar: zip(similar, others).map(([each, other]) => ({ ...other, ...each })),
  }
}
