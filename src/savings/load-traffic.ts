/** Reads a template's newest calls from the log, for the measures of `core/cost/template-traffic.ts`. */
import { DAY_MS } from '../core/days.ts'
import { compileMatcher } from '../core/match/match.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { sourcesOf } from '../core/template/version.ts'
import type { Template } from '../core/template/template.ts'
import {
  askedOf,
  callsPerMonth,
  isOfUpstream,
  isFreeText,
  removedShare,
  upstreamTokens,
  type TemplateTraffic,
  type TrafficWindow,
} from '../core/cost/template-traffic.ts'
import type { RecordQuery, Store } from '../store/store.ts'

/** calls that are read without bodies */
const CALLS = 500
/** calls that are read with bodies, for the template's share of a prompt */
const TEXTS = 50
/** held-out records that are read where a lora answered all newest calls */
const HELD_OUT = 200

export interface TrafficOptions {
  /** share of calls that are logged, 0 to 1 */
  captureShare: number
  /** records that the upstream answered, used where a lora answered all newest calls */
  heldOutIds: readonly string[]
}

type CallQuery = Pick<RecordQuery, 'order' | 'limit' | 'templateVersion'>

const callsOf = (store: Store, query: CallQuery): Promise<StoredRecord[]> =>
  store.records.list({ ...query, bodies: false })

/** Without answers that a move has bought, which say nothing of how much is asked. */
const ofClients = (calls: readonly StoredRecord[]): StoredRecord[] =>
  calls.filter(({ bought }) => bought === undefined)

/** The newest ones, however many answers a move has bought after them. */
const clientCalls = async (store: Store, templateVersion: string): Promise<StoredRecord[]> => {
  const { bought } = await store.templates.stats(templateVersion)
  const calls = await callsOf(store, { order: 'desc', limit: CALLS + bought, templateVersion })
  return ofClients(calls).slice(0, CALLS)
}

/**
 * The window from the oldest call read to the end of the log, so that traffic that has ended lowers
 * the rate. If the calls read span less than a day, it begins with the template's first record.
 * @param calls newest ones of clients, at least one
 */
const windowOf = async (
  store: Store,
  version: string,
  calls: StoredRecord[]
): Promise<TrafficWindow> => {
  const times = calls.map(({ at }) => at)
  const [newest] = await callsOf(store, { order: 'desc', limit: 1 })
  const to = Math.max(...times, newest?.at ?? 0)
  const from = Math.min(...times)
  if (calls.length < CALLS || to - from >= DAY_MS) return { calls: calls.length, from, to }
  const { requests, bought } = await store.templates.stats(version)
  const oldest = { order: 'asc', limit: bought + 1, templateVersion: version } as const
  const [first] = ofClients(await callsOf(store, oldest))
  return { calls: Math.max(requests, calls.length), from: Math.min(from, first?.at ?? from), to }
}

/** The version, and those that were moved to it, and to them. */
const lineOf = async (store: Store, template: Template): Promise<string[]> => {
  const line = new Set([template.version])
  const left = sourcesOf(template)
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    if (line.has(next)) continue
    line.add(next)
    const source = await store.templates.get(next)
    if (source !== null) left.push(...sourcesOf(source))
  }
  return [...line]
}

type Rate = Pick<TemplateTraffic, 'window' | 'callsPerMonth'>

/** Clients change the name of the model one after the other, so the rates of both names add up. */
const together = (one: Rate, other: Rate): Rate => ({
  window: {
    calls: one.window.calls + other.window.calls,
    from: Math.min(one.window.from, other.window.from),
    to: Math.max(one.window.to, other.window.to),
  },
  callsPerMonth:
    one.callsPerMonth === null && other.callsPerMonth === null
      ? null
      : (one.callsPerMonth ?? 0) + (other.callsPerMonth ?? 0),
})

/** @param ownCalls newest ones of the template's own version */
const rateOf = async (
  store: Store,
  template: Template,
  ownCalls: StoredRecord[],
  captureShare: number
): Promise<Rate | null> => {
  const rates: Rate[] = []
  for (const version of await lineOf(store, template)) {
    const isOwn = version === template.version
    const calls = isOwn ? ownCalls : await clientCalls(store, version)
    if (calls.length === 0) continue
    const window = await windowOf(store, version, calls)
    rates.push({ window, callsPerMonth: callsPerMonth(window, captureShare) })
  }
  return rates.length === 0 ? null : rates.reduce(together)
}

/** @returns null when the log has no record of the template */
export const loadTraffic = async (
  store: Store,
  template: Template,
  { captureShare, heldOutIds }: TrafficOptions
): Promise<TemplateTraffic | null> => {
  const query = { templateVersion: template.version, order: 'desc' } as const
  const ofOwn = await clientCalls(store, template.version)
  // bought answers came in one burst, so they say less of the provider's cache
  const calls = ofOwn.length > 0 ? ofOwn : await callsOf(store, { ...query, limit: CALLS })
  const rate = await rateOf(store, template, ofOwn, captureShare)
  if (calls.length === 0 || rate === null) return null
  const texts = await store.records.list({
    ...query,
    limit: TEXTS,
    answeredOnly: true,
    estimates: true,
  })
  const older = calls.some(isOfUpstream)
    ? []
    : await store.records.byIds(heldOutIds.slice(-HELD_OUT))
  const matcher = compileMatcher([template])
  return {
    ...rate,
    upstream: upstreamTokens([...calls, ...older]) ?? upstreamTokens(texts),
    removedShare: removedShare(matcher, texts),
    isFreeText: isFreeText(matcher, texts),
    asked: askedOf(ofOwn),
  }
}
