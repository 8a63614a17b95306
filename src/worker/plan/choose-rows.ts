/** Reads the exchanges of a template and splits them, so that no row judges twice while others are left. */
import { soleCaller } from '../../core/detect/sampling/callers.ts'
import { burstsOf } from '../../core/learn/bursts.ts'
import { minuteText } from '../../core/days.ts'
import {
  BURST_UNIT_MS,
  HELD_OUT_MS,
  randomOfReading,
  SAMPLES_PER_HELD_OUT,
  splitPopulation,
  type Split,
} from '../../core/learn/split.ts'
import { heldOutIds, type InternalizeOptions } from '../../core/internalization/internalization.ts'
import type { Template } from '../../core/template/template.ts'
import type { Store } from '../../store/store.ts'
import type { WorkerDeps } from '../deps.ts'
import { loadExchanges, type MatchedExchange } from '../exchanges/exchanges.ts'

/** Exchanges read per row needed, because a repeated question gives one training row. */
const READ_AHEAD = 4

export interface WantedRows {
  template: Template
  /** milliseconds since the epoch; older exchanges do not count */
  since?: number | undefined
  /** by default as many as are configured */
  trainRows?: number | undefined
}

interface ChosenRows {
  exchanges: MatchedExchange[]
  split: Split<MatchedExchange>
  /** see `InternalizationPlan` */
  earlierTries: number
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
  { template, since = 0, trainRows = config.trainRows }: WantedRows
): Promise<ChosenRows> => {
  const { holdoutRows, burstMinutes, seed } = config
  const exchanges = await loadExchanges(store, template, {
    limit: (trainRows + holdoutRows) * READ_AHEAD,
    samples: SAMPLES_PER_HELD_OUT * holdoutRows,
    since,
    now: now(),
    windowMs: HELD_OUT_MS,
    kindShare: rollout.auditShare,
    random: randomOfReading(seed),
  })
  const tries = await judgedBefore(store, template.version)
  const split = splitPopulation(exchanges, {
    trainRows,
    holdoutRows,
    burstMinutes,
    seed,
    now: now(),
    judged: new Set(tries.flatMap((ids) => [...ids])),
  })
  const heldOut = [...split.traffic, ...split.unseen]
  const earlierTries = tries.filter((ids) => heldOut.some(({ id }) => ids.has(id))).length
  return { exchanges, split, earlierTries }
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

/**
 * Whether the log has as many exchanges of a template as are wanted, with held-out ones that judged no earlier
 * internalization.
 * @returns null: it has fewer
 */
export const findEnoughRows = async (
  deps: WorkerDeps,
  wanted: WantedRows
): Promise<EnoughRows | null> => {
  const { trainRows = deps.config.trainRows } = wanted
  const { exchanges, split, earlierTries } = await chooseRows(deps, wanted)
  const { train, traffic } = split
  const isEnough =
    train.length >= trainRows && traffic.length >= deps.config.holdoutRows && earlierTries === 0
  return isEnough ? { soleKey: soleKeyOf(wanted.template, exchanges) } : null
}

/** Why some of the exchanges cannot train while others are held out, with advice. */
export const whyNotSplit = (
  exchanges: readonly MatchedExchange[],
  { burstMinutes }: Pick<InternalizeOptions, 'burstMinutes'>
): string => {
  const seen = `the log has ${exchanges.length} exchanges of the template`
  const [first] = exchanges
  if (exchanges.length < 2 || burstsOf(exchanges, burstMinutes * BURST_UNIT_MS).length > 1)
    return `${seen}, too few to train on some and hold others out: send or import more traffic`
  if (burstsOf(exchanges, 0).length === 1)
    return `${seen}, all in one conversation, which cannot be used for both training and judging: send or import more conversations`
  return (
    `${seen}, all in one burst (BURST_MINUTES=${burstMinutes}) from ${minuteText(first!.at)} UTC on, and one burst cannot be used ` +
    'for both training and judging: send traffic for longer, import with times (at or created), or set BURST_MINUTES=0 if the ' +
    'requests do not depend on each other'
  )
}
