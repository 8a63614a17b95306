/** The held-out exchanges with the answers of a head, as the gate reads them. Knows nothing of how these were made. */
import { agree, type Comparison } from '../answer/agreement.ts'
import { DEFER_ANSWER, textOf } from '../answer/outcome.ts'
import type { HeldOutRow } from '../gate/gate.ts'
import { zip } from '../lists.ts'
import type { Split } from '../learn/split.ts'
import { isProven, lengthBands, provenKinds } from '../route/request-kind.ts'
import type { ScannedExchange } from './exchange.ts'

/** What a head that learned from so many rows answers. */
export interface HeadFit {
  rows: number
  heldOut: HeldOutRow[]
}

export interface HeadAnswer {
  text: string
  /** natural logarithm of a probability */
  logprob: number
}

/** The held-out rows with the answers of a head, as the gate reads them. */
export const heldOutRows = (
  { traffic, unseen }: Split<ScannedExchange>,
  heldOut: readonly ScannedExchange[],
  answers: readonly HeadAnswer[],
  comparison: Comparison
): HeldOutRow[] => {
  const [isTraffic, isUnseen] = [new Set(traffic), new Set(unseen)]
  const proven = provenKinds(traffic.map(({ kind }) => kind))
  const bands = lengthBands(heldOut.map(({ kind }) => kind.chars))
  return zip(zip(heldOut, answers), bands).map(([[exchange, { text, logprob }], band]) => {
    const logged = textOf(exchange.outcome)
    const agrees = logged !== null && agree(comparison, text, logged)
    const deferred = text === DEFER_ANSWER ? 'deferred' : null
    return {
      agrees,
      agreesToday: null,
      similarity: Number(agrees),
      logprobSum: logprob,
      logprobMin: logprob,
      deferred: isProven(proven, exchange.kind) ? deferred : 'kind-not-proven',
      fresh: null,
      at: exchange.at,
      conversation: exchange.conversation,
      isTraffic: isTraffic.has(exchange),
      isUnseen: isUnseen.has(exchange),
      slices: [...exchange.kind.traits, ...exchange.kind.values, band],
    }
  })
}
