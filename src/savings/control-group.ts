/** Reads the newest requests of a live route from the log: their costs, latencies and reasons. */
import { compareWithControl, type ControlComparison } from '../core/cost/control-group.ts'
import { findPrice, type Price } from '../core/cost/prices.ts'
import {
  winningArm,
  winningLora,
  planOf,
  type Internalization,
} from '../core/internalization/internalization.ts'
import type { StoredRecord } from '../core/log/record.ts'
import { countReasons, type ReasonCount } from '../core/route/route-reasons.ts'
import type { Store } from '../store/store.ts'

/** Answers of the lora that are looked at. */
const ANSWERS = 1_000
const PAGE = 1_000
/** bounds what is read where few requests are the lora's, as in a canary */
const MAX_PAGES = 5

/** The newest records of the template, without bodies, up to the lora's thousandth answer. */
const newestCalls = async (
  { records }: Pick<Store, 'records'>,
  templateVersion: string,
  lora: string
): Promise<StoredRecord[]> => {
  const calls: StoredRecord[] = []
  let answers = 0
  let after: number | undefined
  for (let page = 0; page < MAX_PAGES; page++) {
    const query = { templateVersion, order: 'desc', limit: PAGE, bodies: false } as const
    const read = await records.list({ ...query, ...(after === undefined ? {} : { after }) })
    after = read.at(-1)?.sequence
    // a move may have bought answers since, which are no calls
    const own = read.filter(({ bought }) => bought === undefined)
    for (const call of own) {
      calls.push(call)
      if (call.route?.lora !== lora || call.route.outcome !== 'answered') continue
      answers++
      if (answers === ANSWERS) return calls
    }
    // older records are from before the lora went live
    const isBefore = own.length > 0 && !own.some(({ route }) => route?.lora === lora)
    if (read.length < PAGE || isBefore) break
  }
  return calls
}

/** The newest requests of a live route. */
export interface RecentTraffic {
  /** those that the lora was asked for, against the audited ones */
  groups: ControlComparison
  /** what became of them; the most frequent first */
  reasons: ReasonCount[]
}

/** @returns null for an internalization without a lora */
export const loadRecentTraffic = async (
  store: Pick<Store, 'records' | 'snapshots'>,
  internalization: Internalization,
  prices: readonly Price[]
): Promise<RecentTraffic | null> => {
  const lora = winningLora(internalization)
  if (lora === null) return null
  const calls = await newestCalls(store, internalization.templateVersion, lora)
  const winner = winningArm(internalization)
  const model = winner?.model
  const ofEngine = findPrice(prices, planOf(internalization).baseModel)
  // a head answers on the engine's own machine
  const ofWinner = winner?.encoder === undefined ? ofEngine : null
  const adaptedPrice = model === undefined ? ofWinner : findPrice(prices, model.name)
  return {
    groups: compareWithControl(calls, lora, {
      prices,
      adaptedPrice: model === undefined ? adaptedPrice : (adaptedPrice ?? 'unknown'),
    }),
    reasons: countReasons(calls, lora),
  }
}

/**
 * The lora's requests against its audited ones, over the same part of the log.
 * @returns null for an internalization without a lora
 */
export const loadControlGroup = async (
  store: Pick<Store, 'records' | 'snapshots'>,
  internalization: Internalization,
  prices: readonly Price[]
): Promise<ControlComparison | null> =>
  (await loadRecentTraffic(store, internalization, prices))?.groups ?? null
