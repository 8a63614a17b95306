/** Reads the exchanges of a template and splits them, so that no row judges twice while others are left. */
import { soleCaller } from '../../core/detect/sampling/callers.ts'
import { burstsOf } from '../../core/learn/bursts.ts'
import { reasonOf, type Reason } from '../../core/reason.ts'
import {
  BURST_UNIT_MS,
  HELD_OUT_MS,
  randomOfReading,
  SAMPLES_PER_HELD_OUT,
  splitPopulation,
  type Split,
} from '../../core/learn/split.ts'
import {
  heldOutIds,
  type InternalizationPlan,
  type InternalizeOptions,
} from '../../core/internalization/internalization.ts'
import type { Template } from '../../core/template/template.ts'
import type { Store } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { loadExchanges, type MatchedExchange } from '../exchanges/exchanges.ts'

/** Exchanges read per row of both parts, because a repeated question gives one training row. */
const READ_AHEAD = 4

export interface WantedRows {
  template: Template
  /** milliseconds since the epoch; older exchanges do not count */
  since?: number | undefined
  /** the live route's plan: what it learned from does not judge its successor, which is compared with it */
  present?: InternalizationPlan | null | undefined
}

interface ChosenRows {
  exchanges: MatchedExchange[]
  split: Split<MatchedExchange>
  /** see `InternalizationPlan` */
  earlierTries: number
  /** ids that judged earlier tries */
  judged: ReadonlySet<string>
}

/** Held-out record ids of each internalization of the template that has a verdict. */
const judgedBefore = async (
  { internalizations }: Store,
  templateVersion: string
): Promise<Set<string>[]> =>
  (await internalizations.list())
    .filter((row) => row.templateVersion === templateVersion && row.verdict !== null)
    .flatMap(({ plan }) => (plan === null ? [] : [new Set(heldOutIds(plan))]))

export const chooseRows = async (
  { store, rollout, config, now }: WorkerDeps,
  { template, since = 0, present }: WantedRows
): Promise<ChosenRows> => {
  const { trainRows, holdoutRows, burstMinutes, seed } = config
  const loaded = await loadExchanges(store, template, {
    limit: (trainRows + holdoutRows) * READ_AHEAD,
    samples: SAMPLES_PER_HELD_OUT * holdoutRows,
    since,
    now: now(),
    windowMs: HELD_OUT_MS,
    kindShare: rollout.auditShare,
    random: randomOfReading(seed),
  })
  const learned = new Set(present?.trainRecordIds)
  const exchanges = loaded.map((exchange) =>
    learned.has(exchange.id) ? { ...exchange, isSample: false } : exchange
  )
  const tries = await judgedBefore(store, template.version)
  const judged = new Set(tries.flatMap((ids) => [...ids]))
  const split = splitPopulation(exchanges, {
    trainRows,
    holdoutRows,
    burstMinutes,
    seed,
    now: now(),
    judged,
  })
  const heldOut = [...split.traffic, ...split.unseen]
  const earlierTries = tries.filter((ids) => heldOut.some(({ id }) => ids.has(id))).length
  return { exchanges, split, earlierTries, judged }
}

/**
 * The issued key that sent nearly all exchanges of a template that is for all keys: a route would answer the others
 * as this one was answered. @returns null: there is none
 */
export const soleKeyOf = (
  { caller }: Template,
  exchanges: readonly MatchedExchange[]
): string | null => (caller === undefined ? soleCaller(exchanges) || null : null)

export interface EnoughRows {
  /** see `soleKeyOf` */
  soleKey: string | null
}

/** The tries before another one, of the same traffic. */
export interface EarlierTries {
  /** of the last one that was trained; null: none was */
  plan: InternalizationPlan | null
  /** after it, those that were refused before their training */
  refused: number
}

/**
 * Usable requests that the log must have for a try: those to start with, or beside those that it had for the try
 * before as many new ones. So the requests double from try to try, and all tries together cost about two of the last.
 * @param since of its exchanges; 0: all. Else those of the try before are its own exchanges
 */
export const requestsNeeded = (
  { startExchanges }: Pick<InternalizeOptions, 'startExchanges'>,
  { plan, refused }: EarlierTries,
  since: number
): number => {
  if (plan === null) return startExchanges * 2 ** refused
  const { exchanges, logged = exchanges } = plan.population
  return logged + (since > 0 ? exchanges : logged) * 2 ** refused
}

/**
 * Whether the exchanges of a template can be split for a try: to begin with they are as many as it takes, and the
 * held-out traffic has judged no earlier try.
 * @returns null: not yet
 */
export const findEnoughRows = async (
  deps: WorkerDeps,
  wanted: WantedRows,
  { plan, refused }: EarlierTries
): Promise<EnoughRows | null> => {
  const { startExchanges, trainRows, holdoutRows } = deps.config
  const { exchanges, split, judged } = await chooseRows(deps, wanted)
  const least = plan === null ? startExchanges * 2 ** refused : 0
  const isEnough =
    // of more the window may have been read in part
    exchanges.length >= Math.min(least, trainRows + holdoutRows) &&
    split.train.length > 0 &&
    split.traffic.length >= Math.min(holdoutRows, Math.floor(exchanges.length / 2)) &&
    !split.traffic.some(({ id }) => judged.has(id))
  return isEnough ? { soleKey: soleKeyOf(wanted.template, exchanges) } : null
}

/** Why some of the exchanges cannot train while others are held out. */
export const whyNotSplit = (
  exchanges: readonly MatchedExchange[],
  { burstMinutes }: Pick<InternalizeOptions, 'burstMinutes'>
): Reason => {
  const count = exchanges.length
  const [first, second] = exchanges
  if (!first || !second || burstsOf(exchanges, burstMinutes * BURST_UNIT_MS).length > 1)
    return reasonOf('too-few-to-split', { exchanges: count })
  return burstsOf(exchanges, 0).length === 1
    ? reasonOf('one-conversation', { exchanges: count })
    : reasonOf('one-burst', { exchanges: count, burstMinutes, since: first.at })
}
