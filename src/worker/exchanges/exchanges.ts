/**
 * From log records to a template's population: every request that the template matches, that a route
 * may answer by its form, and that the upstream answered with 2xx, with any outcome. Records that a
 * lora answered are excluded: otherwise a lora would be trained on its own answers.
 */
import { completionOf, clearRequestOf } from '../../core/log/record-bodies.ts'
import { compileMatcher, type Matcher } from '../../core/match/match.ts'
import { templateKeyOf } from '../../core/template/template-key.ts'
import { outcomeOf, type Outcome } from '../../core/answer/outcome.ts'
import {
  askedIn,
  isAnsweredByUpstream,
  isRandom,
  withConversations,
} from '../../core/rollout/population.ts'
import type { Bought, StoredRecord } from '../../core/log/record.ts'
import { eligibility } from '../../core/route/route.ts'
import { areSiblings } from '../../core/template/version.ts'
import type { Match, Template } from '../../core/template/template.ts'
import type { ChatCompletion, ChatRequest } from '../../openai/chat.ts'
import { readByIds } from '../../lifecycle/logged-texts.ts'
import type { SpreadQuery, Store, TemplateStats } from '../../store/store.ts'

export interface MatchedExchange {
  id: string
  at: number
  /** the same key for all turns of one conversation */
  conversation: string
  query: string
  outcome: Outcome
  match: Match
  /** id of the issued key that it was sent with; '' without one */
  caller: string
  /** as the upstream read it */
  request: ChatRequest
  /** `system_fingerprint` of the upstream's answer */
  fingerprint: string | null
  /** `model` of the upstream's answer, with the fingerprint behind it */
  upstreamModel: string | null
  /** whether the upstream answered for a reason that does not depend on the question (`isRandom`) */
  isSample: boolean
  /** absent for a client's request */
  bought?: Bought
}

/** @param logged an answer that is null, or no completion, gives `unreadable` */
export const outcomeOfLogged = (logged: { path: string; response: string | null }): Outcome =>
  outcomeOf(completionOf(logged))

const fingerprintOf = (completion: ChatCompletion | null): string | null => {
  const fingerprint = completion?.['system_fingerprint']
  return typeof fingerprint === 'string' ? fingerprint : null
}

const upstreamModelOf = (completion: ChatCompletion | null): string | null => {
  const names = [completion?.model, fingerprintOf(completion)]
  return names.filter((name) => typeof name === 'string' && name !== '').join(' ') || null
}

/** Before conversations are told apart, which takes all exchanges together. */
type SingleExchange = Omit<MatchedExchange, 'conversation'>

const exchangeOf = (
  matcher: Matcher,
  record: StoredRecord,
  { kindShare, share }: { kindShare: number; share: ShareTexts }
): SingleExchange | null => {
  if (!isAnsweredByUpstream(record)) return null
  const request = share(clearRequestOf(record))
  if (request === null) return null
  const match = matcher.match(templateKeyOf(request, record), request.messages)
  if (match === null || eligibility(request, match.template) !== null) return null
  const completion = completionOf(record)
  return {
    id: record.id,
    at: record.at,
    query: askedIn(match),
    outcome: outcomeOf(completion),
    match,
    caller: record.caller ?? '',
    request,
    fingerprint: fingerprintOf(completion),
    upstreamModel: upstreamModelOf(completion),
    isSample: isRandom(record, kindShare),
    ...(record.bought && { bought: record.bought }),
  }
}

const PAGE_ROWS = 500

const inPages = (ids: readonly string[]): string[][] =>
  Array.from({ length: Math.ceil(ids.length / PAGE_ROWS) }, (_, page) =>
    ids.slice(page * PAGE_ROWS, (page + 1) * PAGE_ROWS)
  )

/**
 * Where a live route answers, few records are a random part of the traffic. A window with more records than are
 * read is then read so many times at most, other records each time.
 */
const MAX_ROUNDS = 8

export interface WantedExchanges {
  /** exchanges at most, about: no further ones are looked for */
  limit: number
  /** of them, those that may be held out, if the window has so many */
  samples: number
  /** milliseconds since the epoch; older ones are left out */
  since: number
  /** milliseconds since the epoch; later ones come from a wrong clock and are left out */
  now: number
  /** length of the window that is read evenly, milliseconds */
  windowMs: number
  /** see `isRandom` */
  kindShare: number
  random: () => number
  /** records that are read whatever is drawn */
  ids?: readonly string[]
}

/** Reads exchanges of one template's population, each once. */
interface Reader {
  /** by record id */
  found: Map<string, SingleExchange>
  read: (ids: string[]) => Promise<void>
}

/** The request, with the texts of others where they are the same. */
type ShareTexts = (request: ChatRequest | null) => ChatRequest | null

/** Most requests of a template begin with the same long text, which is kept once. */
const createShareTexts = (): ShareTexts => {
  const known = new Map<unknown, unknown>()
  return (request) => {
    for (const message of request?.messages ?? []) {
      const { content } = message
      if (typeof content !== 'string') continue
      if (!known.has(content)) known.set(content, content)
      message.content = known.get(content) as string
    }
    return request
  }
}

const createReader = (store: Store, template: Template, kindShare: number): Reader => {
  const matcher = compileMatcher([template])
  const share = createShareTexts()
  const found = new Map<string, SingleExchange>()
  return {
    found,
    async read(ids: string[]): Promise<void> {
      const unread = ids.filter((id) => !found.has(id))
      for (const chunk of inPages(unread))
        for await (const record of readByIds(store.records, chunk)) {
          const exchange = exchangeOf(matcher, record, { kindShare, share })
          if (exchange !== null) found.set(record.id, exchange)
        }
    },
  }
}

/** By time; those of one time as they were read, which is the order of the log. */
const inOrder = (found: ReadonlyMap<string, SingleExchange>): SingleExchange[] =>
  [...found.values()].toSorted((a, b) => a.at - b.at)

const seedOf = (random: () => number): number => Math.floor(random() * 2 ** 32)

/** Reads the window in rounds. @returns whether all of its records were read */
const readWindow = async (
  { records }: Store,
  { found, read }: Reader,
  {
    samples,
    random,
    ...query
  }: Omit<SpreadQuery, 'seed'> & Pick<WantedExchanges, 'samples' | 'random'>
): Promise<boolean> => {
  const hasSamples = (): boolean =>
    [...found.values()].filter(({ isSample }) => isSample).length >= samples
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { ids, every } = await records.spread({ ...query, seed: seedOf(random) })
    await read(ids)
    if (every === 1) return true
    if (hasSamples()) break
  }
  return false
}

/** A record has one tag, so those of a template may have that of a sibling. */
export const siblingVersions = (all: readonly Template[], { version }: Template): string[] =>
  all.map((each) => each.version).filter((each) => areSiblings(each, version))

/** What records with one of the tags come to. @returns lastSeen null where there are none */
export const tagged = async (
  { templates }: Store,
  versions: readonly string[]
): Promise<Pick<TemplateStats, 'requests' | 'bought' | 'answered' | 'lastSeen'>> => {
  const stats = await Promise.all(versions.map((version) => templates.stats(version)))
  const sum = (of: (each: TemplateStats) => number): number =>
    stats.reduce((total, each) => total + of(each), 0)
  const times = stats.flatMap(({ lastSeen }) => lastSeen ?? [])
  return {
    requests: sum(({ requests }) => requests),
    bought: sum(({ bought }) => bought),
    answered: sum(({ answered }) => answered),
    lastSeen: times.length === 0 ? null : Math.max(...times),
  }
}

/** Requests of a template that no lora has answered, and answers that a move has bought for it. */
export const usableRequests = async (store: Store, template: Template): Promise<number> => {
  const tags = siblingVersions(await store.templates.list(), template)
  const { requests, bought, answered } = await tagged(store, tags)
  return requests + bought - answered
}

/**
 * Exchanges of the template's population, in time order. Those of the last `windowMs` are spread evenly over
 * it; where they are fewer than the limit, older stretches of the log are read, each twice as long.
 */
export const loadExchanges = async (
  store: Store,
  template: Template,
  { limit, samples, since, now, windowMs, kindShare, random, ids = [] }: WantedExchanges
): Promise<MatchedExchange[]> => {
  const reader = createReader(store, template, kindShare)
  const { found } = reader
  const templateVersions = siblingVersions(await store.templates.list(), template)
  const { lastSeen } = await tagged(store, templateVersions)
  const until = Math.min(now, lastSeen ?? now)
  let from = Math.max(since, until - windowMs)
  const query = { templateVersions, limit }
  if (await readWindow(store, reader, { ...query, from, until, samples, random }))
    for (let length = windowMs; found.size < limit && from > since; length *= 2) {
      const older = { from: Math.max(since, from - length), until: from - 1 }
      const wanted = { ...query, ...older, limit: limit - found.size, seed: seedOf(random) }
      await reader.read((await store.records.spread(wanted)).ids)
      from = older.from
    }
  // at the end: what was drawn keeps the order of the log
  await reader.read([...ids])
  return withConversations(inOrder(found))
}

/**
 * The exchanges of the given records, in the order of the ids. Conversation keys are computed from
 * these records only.
 */
export const exchangesByIds = async (
  store: Store,
  template: Template,
  ids: string[]
): Promise<MatchedExchange[]> => {
  const { found, read } = createReader(store, template, 1)
  await read(ids)
  const known = new Map(
    withConversations(inOrder(found)).map((exchange) => [exchange.id, exchange])
  )
  return ids.flatMap((id) => known.get(id) ?? [])
}
