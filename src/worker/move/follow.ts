/**
 * Follows a template to another model: stores the template of the new name, and the bought answers as exchanges of the
 * log. All else is as for any template: the worker plans, trains and proves, and a person approves.
 */
import { batchOf } from '../../core/log/exchange-batch.ts'
import type { ExchangeRecord, StoredRecord } from '../../core/log/record.ts'
import { compileMatcher } from '../../core/match/match.ts'
import { boughtId, clientId, followedTemplate, movedTo } from '../../core/template/version.ts'
import { templateKeyOf } from '../../core/template/template-key.ts'
import type { Template } from '../../core/template/template.ts'
import type { Usage } from '../../openai/chat.ts'
import type { Store } from '../../store/store.ts'
import type { MatchedExchange } from '../exchanges/exchanges.ts'
import { withModel } from '../answers/ask-model.ts'

/** Requests that tell whether the traffic of the new name has its template already. */
const LOOKED_AT = 50

/**
 * The template, for all keys or for the same one, that most of the requests would match, if they named the new model.
 * @returns null: there is none
 */
const foundAlready = (
  templates: readonly Template[],
  { tenant, caller: own }: Template,
  to: string,
  exchanges: readonly MatchedExchange[]
): Template | null => {
  const rivals = templates.filter(
    (each) => each.model === to && each.tenant === tenant && each.caller === own
  )
  const matcher = compileMatcher(rivals)
  const looked = exchanges.slice(0, LOOKED_AT)
  const matched = looked.flatMap(({ request, caller }) => {
    const sender = { tenant, ...(caller !== '' && { caller }) }
    const key = templateKeyOf({ ...request, model: to }, sender)
    return matcher.match(key, request.messages)?.template ?? []
  })
  const most = rivals.find(
    (each) => 2 * matched.filter((one) => one === each).length > looked.length
  )
  return most ?? null
}

/** What a person said of the old template holds for the new one, unless something was said of it, too. */
const takeAlong = async ({ templates }: Store, from: string, to: string): Promise<void> => {
  const labels = await templates.labels()
  const label = labels.get(from)
  if (label !== undefined && !labels.has(to)) await templates.label(to, label)
  const ruled = new Set((await templates.fields(to)).map(({ path }) => path))
  for (const rule of await templates.fields(from))
    if (!ruled.has(rule.path)) await templates.setField(to, rule)
}

/** The answer of a request that was sent again. */
export interface BoughtAnswer {
  record: StoredRecord
  /** of the record */
  conversation: string
  body: string
  ms: number
  usage: Usage | null
}

export interface Follow {
  /** Stores the template of the new model; may be repeated. */
  begin(): Promise<Template>
  /** Resolves when the answer is durable. @returns false, and keeps nothing, of a request that was forgotten meanwhile */
  keep(bought: BoughtAnswer): Promise<boolean>
}

export interface FollowOptions {
  template: Template
  to: string
  /** of the template, some */
  exchanges: readonly MatchedExchange[]
  now: () => number
}

const exchangeOf = (
  { record, conversation, body, ms, usage }: BoughtAnswer,
  { to, now }: Pick<FollowOptions, 'to' | 'now'>
): ExchangeRecord => {
  const { at, tenant, caller, envelope, path, request } = record
  const of = clientId(record)
  return {
    id: boughtId(of, to),
    at,
    tenant,
    ...(caller !== undefined && { caller }),
    ...(envelope !== undefined && { envelope }),
    model: to,
    path,
    streamed: false,
    status: 200,
    firstByteMs: null,
    durationMs: ms,
    request: withModel(request, { name: to }),
    response: body,
    usage,
    route: null,
    bought: { of, at: now(), conversation },
  }
}

export const createFollow = (store: Store, options: FollowOptions): Follow => {
  const { template, to, exchanges } = options
  let beginning: Promise<Template> | null = null
  const begin = async (): Promise<Template> => {
    const all = await store.templates.list()
    const fresh = followedTemplate(template, to)
    const known =
      all.find(({ version }) => version === fresh.version) ??
      foundAlready(all, template, to, exchanges) ??
      fresh
    const followed = movedTo(known, template.version)
    await store.templates.upsert([followed])
    await takeAlong(store, template.version, followed.version)
    return followed
  }
  const once = (): Promise<Template> => (beginning ??= begin())
  return {
    begin: once,
    async keep(bought) {
      // before the answers: the worker gives them the template when it reads them
      await once()
      const isThere = (await store.records.knownIds([bought.record.id])).length > 0
      if (isThere) await store.records.append(batchOf([exchangeOf(bought, options)]))
      return isThere
    },
  }
}
