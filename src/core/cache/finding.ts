/** Why the provider's cache is not read for the requests of one template, in tokens. Knows nothing of prices' dollars. */
import { groupBy } from '../group-by.ts'
import { isNonEmpty, type NonEmpty } from '../lists.ts'
import { cacheLifeMs, findPrice, leastCachedTokens, type Price } from '../cost/prices.ts'
import { BYTES_PER_TOKEN } from '../cost/token-estimate.ts'
import { firstMoved, layOut, toolIds, type LaidRequest, type Layout } from './layout.ts'
import type { Family } from './families.ts'
import { Simulations, type LifeOf, type Mend, type PrefixOf } from './simulate.ts'
import type { Piece } from './piece.ts'

export type CacheCause = 'below-minimum' | Mend

export interface FoundCause {
  cause: CacheCause
  /** tokens a request that are read in addition when the causes before it are mended already; 0 where it does not pay */
  tokens: number
  difference: Difference | null
}

/** Means per request, over the requests that were judged. */
export interface CacheFinding {
  /** null: requests without a template */
  version: string | null
  model: string
  /** of the log, about */
  requests: number
  /** time of the first one that was compared, milliseconds since the epoch, or its place in the log */
  from: number
  /** of them, those that were compared with their predecessors */
  judged: number
  promptTokens: number
  /** of the prefix that nine of ten requests share with an earlier one */
  stablePrefixTokens: number
  /** of the prefix that nine of ten would share after all mends */
  mendedPrefixTokens: number
  /** 0 to 1, as the provider reports it; null where it does not */
  cachedShare: number | null
  /** of the prompt tokens, those that an earlier request has left in the cache as the requests are, 0 to 1 */
  readableShare: number
  /** share of the requests that no other came shortly before, 0 to 1 */
  lonelyShare: number
  /** how many models and credentials the family has: clients may write any number of names */
  places: { models: number; credentials: number }
  /** that costs most first; empty: the cache is read as far as it can be */
  causes: FoundCause[]
}

export interface CacheRules {
  lifeOf: LifeOf
  /** tokens; the provider caches no shorter prefix of the model */
  minimumOf: (model: string) => number
}

/** Of each model, by its newest price. */
export const cacheRules = (prices: readonly Price[]): CacheRules => ({
  lifeOf: (model) => cacheLifeMs(findPrice(prices, model)),
  minimumOf: (model) => leastCachedTokens(findPrice(prices, model)),
})

/** OpenAI, "Prompt caching": "1024 tokens, with cache hits occurring in increments of 128 tokens". */
const STEP_TOKENS = 128
/** Share of the prompt tokens: below, a provider's steps and the estimate of tokens weigh as much. */
const LEAST_SHARE = 0.05
/** Of the gain of all mends: a cause with less is not named. */
const LEAST_PART = 0.08
const STABLE_QUANTILE = 0.1
/** Requests that a mend must help: the first ones of a log find an empty cache whatever they say. */
const LEAST_HELPED = 5
/** Fewer requests say nothing. */
const LEAST_JUDGED = 2
/** More would take too many simulations. */
const MOST_MENDS = 5

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

const readable = (tokens: number, minimum: number): number =>
  tokens < minimum ? 0 : Math.floor(tokens / STEP_TOKENS) * STEP_TOKENS

const toolMends = ({ rows }: Layout): Mend[] => {
  const orders = new Set(rows.map((row) => toolIds(row).join()))
  const sets = new Set(
    rows.map((row) =>
      toolIds(row)
        .toSorted((a, b) => a - b)
        .join()
    )
  )
  return [
    ...(sets.size < orders.size ? (['tools-order'] as const) : []),
    ...(sets.size > 1 ? (['tools-change'] as const) : []),
  ]
}

/** Mends that would change anything, those of what stands first in most requests before others. */
const candidatesOf = (layout: Layout, isLonely: readonly boolean[]): Mend[] => {
  const { rows, causes } = layout
  const texts = causes
    .map((cause, mark) => {
      const places = rows.map((row) => firstMoved(row, mark)).filter((at) => at >= 0)
      return { cause, places, place: mean(places) }
    })
    .filter(({ places }) => places.length > 0)
    .toSorted((a, b) => a.place - b.place)
  return [
    ...toolMends(layout),
    ...(new Set(rows.map(({ request }) => request.place)).size > 1
      ? (['several-models'] as const)
      : []),
    ...(isLonely.includes(true) ? (['gap'] as const) : []),
    ...texts.map(({ cause }) => cause),
  ].slice(0, MOST_MENDS)
}

/** The rows of one template, or those without one. */
interface Member {
  version: string | null
  model: string
  rows: NonEmpty<LaidRequest>
  /** with those that are not judged */
  kept: number
  tokensPerByte: number
}

const bytesOf = ({ request }: LaidRequest): number =>
  total(request.pieces.map(({ bytes }) => bytes))

/** Tokens a byte, of the requests whose tokens are known. */
const densityOf = (rows: readonly LaidRequest[]): number => {
  const counted = rows.flatMap((row) => {
    const { input } = row.request
    return input === null ? [] : [{ bytes: bytesOf(row), input }]
  })
  const bytes = total(counted.map((row) => row.bytes))
  const tokens = total(counted.map(({ input }) => input))
  return bytes > 0 && tokens > 0 ? tokens / bytes : 1 / BYTES_PER_TOKEN
}

const membersOf = ({ rows }: Layout): Member[] => {
  const byMember = groupBy(rows, ({ request: { version, model } }) => `${version ?? ''}\n${model}`)
  return [...byMember.values()].flatMap((all) => {
    const { version, model } = all[0].request
    const tokensPerByte = densityOf(all)
    const own = all.filter(({ request }) => !request.isContext)
    return isNonEmpty(own) && own.length >= LEAST_JUDGED
      ? [{ version, model, rows: own, kept: all.length, tokensPerByte }]
      : []
  })
}

/** Tokens of each request that are read after mends and are not today, by the provider's own counts and the simulation. */
const gainsOf = (
  { rows, tokensPerByte }: Member,
  { now, after, minimum }: { now: PrefixOf; after: PrefixOf; minimum: number }
): number[] =>
  rows.map((row) => {
    const today = readable(now(row) * tokensPerByte, minimum)
    const read = Math.max(today, row.request.cached ?? 0)
    return Math.max(0, readable(after(row) * tokensPerByte, minimum) - read)
  })

/** Tokens a request by the simulation alone. */
const readToday = (
  { rows, tokensPerByte }: Member,
  simulations: Simulations,
  minimum: number
): number => {
  const bytesIn = simulations.after([])
  return mean(rows.map((row) => readable(bytesIn(row) * tokensPerByte, minimum)))
}

const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0
}

const cachedShareOf = ({ rows }: Member): number | null => {
  const counted = rows.flatMap(({ request: { input, cached } }) =>
    input === null || cached === null ? [] : [{ input, cached }]
  )
  const input = total(counted.map((tokens) => tokens.input))
  return input === 0 ? null : Math.min(1, total(counted.map(({ cached }) => cached)) / input)
}

/** Mends that save something alone, or that all others together lack. */
const usefulOf = (
  candidates: readonly Mend[],
  gainOf: (mends: readonly Mend[]) => number,
  all: number
): Mend[] =>
  candidates.filter(
    (mend) =>
      gainOf([mend]) >= LEAST_PART * all ||
      all - gainOf(candidates.filter((other) => other !== mend)) >= LEAST_PART * all
  )

/**
 * What each mend adds behind those before it. What stands first hides what stands behind it, so the mend that the others
 * miss least goes last; of equal ones the one that stands behind.
 */
const inOrder = (
  mends: readonly Mend[],
  gainOf: (mends: readonly Mend[]) => number
): { cause: Mend; gain: number }[] => {
  const last = mends.toReversed().reduce<{ cause: Mend; rest: number } | null>((best, cause) => {
    const rest = gainOf(mends.filter((other) => other !== cause))
    return best === null || rest >= best.rest + 1 ? { cause, rest } : best
  }, null)
  if (last === null) return []
  const before = mends.filter((other) => other !== last.cause)
  return [...inOrder(before, gainOf), { cause: last.cause, gain: gainOf(mends) - last.rest }]
}

/** What is the same for all members of a family. */
interface Judging {
  layout: Layout
  simulations: Simulations
  candidates: readonly Mend[]
  places: CacheFinding['places']
}

/** The causes that cost, with what each adds when those before it are mended. */
const costly = (
  member: Member,
  { layout, simulations, candidates }: Judging,
  { minimum, least }: { minimum: number; least: number }
): FoundCause[] => {
  const now = simulations.after([])
  const gainsAfter = (mends: readonly Mend[]): number[] =>
    gainsOf(member, { now, after: simulations.after(mends), minimum })
  const gainOf = (mends: readonly Mend[]): number => mean(gainsAfter(mends))
  const all = gainOf(candidates)
  if (all < least || gainsAfter(candidates).filter((gain) => gain > 0).length < LEAST_HELPED)
    return []
  return inOrder(usefulOf(candidates, gainOf, all), gainOf).map(({ cause, gain }) => ({
    cause,
    tokens: Math.max(0, gain),
    difference: differenceOf(cause, layout, member.rows),
  }))
}

/** Whether the cache would be read after all mends if the provider had no minimum, and is not because it has one. */
const isBelowMinimum = (prefix: number, minimum: number, promptTokens: number): boolean =>
  minimum > 0 && prefix < minimum && prefix >= LEAST_SHARE * promptTokens

const placesOf = ({ rows }: Layout): CacheFinding['places'] => ({
  models: new Set(rows.map(({ request }) => request.model)).size,
  credentials: new Set(rows.map(({ request: { place, model } }) => place.slice(model.length))).size,
})

const findingOf = (member: Member, judging: Judging, rules: CacheRules): CacheFinding => {
  const { simulations, candidates, places } = judging
  const { version, model, rows, tokensPerByte } = member
  const minimum = rules.minimumOf(model)
  const promptTokens = mean(rows.map(bytesOf)) * tokensPerByte
  const prefixes = (mends: readonly Mend[]): number[] => {
    const bytesIn = simulations.ever(mends)
    // the first request of all has no predecessor
    return rows.filter(({ index }) => index > 0).map((row) => bytesIn(row) * tokensPerByte)
  }
  const mendedPrefix = mean(prefixes(candidates))
  const isShort =
    isBelowMinimum(mendedPrefix, minimum, promptTokens) &&
    (cachedShareOf(member) ?? 0) < LEAST_SHARE
  return {
    version,
    model,
    requests: member.kept,
    from: rows[0].request.at,
    judged: rows.length,
    promptTokens,
    stablePrefixTokens: Math.round(quantile(prefixes([]), STABLE_QUANTILE)),
    mendedPrefixTokens: Math.round(mendedPrefix),
    cachedShare: cachedShareOf(member),
    readableShare:
      promptTokens === 0 ? 0 : Math.min(1, readToday(member, simulations, minimum) / promptTokens),
    lonelyShare: mean(rows.map(({ index }) => Number(simulations.isLonely[index]))),
    places,
    causes: isShort
      ? [{ cause: 'below-minimum', tokens: mendedPrefix, difference: null }]
      : costly(member, judging, { minimum, least: LEAST_SHARE * promptTokens }),
  }
}

/** In tokens. @returns one finding for each template of the family and each model of its requests without one. */
export const findingsOf = (family: Family, rules: CacheRules): CacheFinding[] => {
  const layout = layOut(family)
  const simulations = new Simulations(layout, rules.lifeOf)
  const candidates = candidatesOf(layout, simulations.isLonely)
  const judging = { layout, simulations, candidates, places: placesOf(layout) }
  return membersOf(layout).map((member) => findingOf(member, judging, rules))
}

export interface Difference {
  /** number of the message and of its line, from 1; null for tools */
  message: { number: number; role: string; line: number } | null
  /** of the log, like all that follows: constant text of the line before the difference */
  lead: string
  value: string
  /** of the line, behind it */
  tail: string
}

const MOST_BEFORE = 40
const MOST_VALUE = 60
const MOST_TOOLS = 6

const oneLine = (text: string): string => text.replace(/\s+/gu, ' ')

const shortened = (text: string, most: number): string => {
  const line = oneLine(text.trimEnd())
  return line.length <= most ? line : `${line.slice(0, most - 1)}…`
}

const textDifference = ({ texts }: LaidRequest, at: number, piece: Piece): Difference => {
  const before = texts.slice(0, at).map((laid) => laid.piece)
  const start = before.findLastIndex(({ part }) => part === 'role' || part === 'after')
  const roles = before.filter(({ part }) => part === 'role')
  const lines = before.slice(start + 1).filter(({ endsLine }) => endsLine)
  const [left, right] = [before.at(-1), texts[at + 1]?.piece]
  const lead = left === undefined || left.endsLine ? '' : oneLine(left.head).slice(-MOST_BEFORE)
  const value = shortened(piece.head, MOST_VALUE)
  const isLast = piece.endsLine || right === undefined || right.part === 'role'
  return {
    message: { number: roles.length, role: roles.at(-1)?.name ?? '', line: lines.length + 1 },
    lead,
    value,
    tail: isLast ? '' : shortened(right.head, MOST_BEFORE),
  }
}

const toolsText = ({ request }: LaidRequest): string => {
  const names = request.pieces.flatMap(({ part, name }) => (part === 'tool' ? name || '?' : []))
  const more = names.length - MOST_TOOLS
  return [...names.slice(0, MOST_TOOLS), ...(more > 0 ? [`${more} more`] : [])].join(', ') || 'none'
}

const toolsDifference = (rows: readonly LaidRequest[]): Difference | null => {
  const first = rows[0]
  if (first === undefined) return null
  const other = rows.find((row) => toolIds(row).join() !== toolIds(first).join())
  return other === undefined
    ? null
    : { message: null, lead: '', value: `${toolsText(first)} / ${toolsText(other)}`, tail: '' }
}

/** @param members rows of a template @returns null for what is not in the text */
export const differenceOf = (
  mend: Mend,
  { rows, causes }: Layout,
  members: readonly LaidRequest[]
): Difference | null => {
  if (mend === 'tools-order' || mend === 'tools-change') return toolsDifference(rows)
  if (mend === 'gap' || mend === 'several-models') return null
  const cause = causes.indexOf(mend)
  for (const row of members) {
    const at = firstMoved(row, cause)
    const moved = row.texts[at]
    if (moved !== undefined) return textDifference(row, at, moved.piece)
  }
  return null
}
