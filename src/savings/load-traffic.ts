/** Reads a template's newest calls from the log, for the measures of `core/cost/template-traffic.ts`. */
import { DAY_MS } from '../core/days.ts'
import { compileMatcher } from '../core/match/match.ts'
import type { StoredRecord } from '../core/log/record.ts'
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
import type { Store } from '../store/store.ts'

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

const edgeOfLog = async (
  store: Store,
  order: 'asc' | 'desc',
  templateVersion?: string
): Promise<number | null> => {
  const [record] = await store.records.list({
    order,
    limit: 1,
    bodies: false,
    ...(templateVersion === undefined ? {} : { templateVersion }),
  })
  return record?.at ?? null
}

/**
 * The window from the oldest call read to the end of the log, so that traffic that has ended lowers
 * the rate. If the calls read span less than a day, it begins with the template's first record.
 */
const windowOf = async (
  store: Store,
  { version }: Template,
  calls: StoredRecord[]
): Promise<TrafficWindow> => {
  const times = calls.map(({ at }) => at)
  const to = Math.max(...times, (await edgeOfLog(store, 'desc')) ?? 0)
  const from = Math.min(...times)
  if (calls.length < CALLS || to - from >= DAY_MS) return { calls: calls.length, from, to }
  const { requests } = await store.templates.stats(version)
  const first = Math.min(from, (await edgeOfLog(store, 'asc', version)) ?? from)
  return { calls: Math.max(requests, calls.length), from: first, to }
}

/** @returns null when the log has no record of the template */
export const loadTraffic = async (
  store: Store,
  template: Template,
  { captureShare, heldOutIds }: TrafficOptions
): Promise<TemplateTraffic | null> => {
  const query = { templateVersion: template.version, order: 'desc' } as const
  const calls = await store.records.list({ ...query, limit: CALLS, bodies: false })
  if (calls.length === 0) return null
  const texts = await store.records.list({
    ...query,
    limit: TEXTS,
    answeredOnly: true,
    estimates: true,
  })
  const older = calls.some(isOfUpstream)
    ? []
    : await store.records.byIds(heldOutIds.slice(-HELD_OUT))
  const window = await windowOf(store, template, calls)
  const matcher = compileMatcher([template])
  return {
    window,
    callsPerMonth: callsPerMonth(window, captureShare),
    upstream: upstreamTokens([...calls, ...older]) ?? upstreamTokens(texts),
    removedShare: removedShare(matcher, texts),
    isFreeText: isFreeText(matcher, texts),
    asked: askedOf(calls),
  }
}
