/**
 * Worlds in which a promise was once broken unseen: wrong facts that look alike, an upstream that contradicts
 * itself, tosses a coin or has changed, requests in bursts, hard hours, and tries on the same rows. In each the
 * lora is beyond the promise at every threshold, so every promotion breaks it. Confidence says nothing.
 */
import { agree } from '../../../src/core/answer/agreement.ts'
import { comparisonOf } from '../../../test/kit/model/comparison.ts'
import { decide, levelOfTry, type HeldOutRow } from '../../../src/core/gate/gate.ts'
import { splitPopulation } from '../../../src/core/learn/split.ts'
import { simulatedRow } from '../row.ts'
import { ALPHA, MIN_COVERAGE } from '../rules.ts'
import { BEYOND } from '../worlds.ts'
import { drawSentence, MISTAKES, type Mistake } from './sentences.ts'

type Random = () => number

/** Held-out rows of one arm. */
export type DrawRows = (size: number, random: Random) => HeldOutRow[]

export const MARGIN = 0.05
/** The product's own: `BURST_MINUTES`. */
const BURST_MS = 5 * 60_000
const [HOUR_MS, DAY_MS] = [3_600_000, 24 * 3_600_000]
const DAYS = 7

/** The loss beyond the margin that counts as broken. */
const BORDER = MARGIN + BEYOND

const rowsOf = (size: number, random: Random, rowAt: (place: number) => Partial<HeldOutRow>) =>
  Array.from({ length: size }, (_, place): HeldOutRow => {
    const row = rowAt(place)
    return { ...simulatedRow(place, { agrees: row.agrees ?? true, confidence: -random() }), ...row }
  })

/** Whether the gate lets the rows pass. @param earlierTries that some of the rows judged */
export const isPromoted = (
  rows: HeldOutRow[],
  type: 'label' | 'short-text',
  alpha = ALPHA
): boolean =>
  decide({
    arms: [{ arm: 'query-only', statistic: 'sum', rows }],
    responseType: type,
    margin: MARGIN,
    minCoverage: MIN_COVERAGE,
    alpha,
    burstMs: BURST_MS,
  }).verdict === 'promote'

/** Sentences of which a share says something else. @param share at least the border */
const wrongFacts =
  (mistake: Mistake, share: number): DrawRows =>
  (size, random) => {
    const drawn = Array.from({ length: size }, () => drawSentence(mistake, random))
    const comparison = comparisonOf(drawn.map(({ right }) => right))
    return rowsOf(size, random, (place) => {
      const { right, wrong } = drawn[place]!
      return { agrees: agree(comparison, random() < share ? wrong : right, right) }
    })
  }

export const facts: Record<string, DrawRows> = Object.fromEntries(
  MISTAKES.flatMap((mistake) =>
    [0.06, 0.1, 0.3, 1].map((share) => [
      `${mistake} in ${100 * share} %`,
      wrongFacts(mistake, share),
    ])
  )
)

/** An answer, and two fresh ones of an upstream that answers as it did. */
const askedAgain = (agreesToday: boolean, repeats: boolean): Partial<HeldOutRow> => ({
  agrees: agreesToday,
  agreesToday,
  fresh: { repeats, asLogged: [true, repeats] },
})

/** Noise of an upstream by the confidence of the lora, which loses the same everywhere. */
const noisy =
  (noiseAt: (confidence: number) => number, loss: number, isAsked: boolean): DrawRows =>
  (size, random) =>
    rowsOf(size, random, () => {
      const confidence = -random()
      const noise = noiseAt(confidence)
      const [agrees, repeats] = [random() >= noise + loss, random() >= noise]
      return {
        logprobSum: confidence,
        logprobMin: confidence,
        ...(isAsked ? askedAgain(agrees, repeats) : { agrees }),
      }
    })

const quietAbove = (confidence: number): number => (confidence > -0.6 ? 0.01 : 0.24)

export const noise: Record<string, DrawRows> = {
  '1 % above, 24 % below, border': noisy(quietAbove, BORDER, true),
  '1 % above, 24 % below, 8 points': noisy(quietAbove, 0.08, true),
  'the same without a key': noisy(quietAbove, BORDER, false),
  '10 % everywhere, border': noisy(() => 0.1, BORDER, true),
}

/** The upstream gives one of two answers to a share of the requests, and the lora neither. */
const coin =
  (share: number, isAsked: boolean): DrawRows =>
  (size, random) =>
    rowsOf(size, random, () => {
      const isTossed = random() < share
      const repeats = !isTossed || random() < 0.5
      return isAsked ? askedAgain(!isTossed, repeats) : { agrees: !isTossed }
    })

export const coins: Record<string, DrawRows> = {
  'on 20 %': coin(0.2, true),
  'on 10 %, border': coin(2 * BORDER, true),
  'on 20 %, without a key': coin(0.2, false),
}

/** The lora is off the log on 3 %, and the upstream has other answers now on a share. */
const changed =
  (share: number): DrawRows =>
  (size, random) =>
    rowsOf(size, random, () => {
      const [isOff, isChanged] = [random() < 0.03, random() < share]
      return {
        agrees: !isOff,
        agreesToday: !isOff && !isChanged,
        fresh: { repeats: true, asLogged: isChanged ? [false, false] : [true, true] },
      }
    })

export const changes: Record<string, DrawRows> = {
  'on 2.1 %, border': changed((BORDER - 0.03) / 0.97),
  'on 5 %': changed(0.05),
  'on 10 %': changed(0.1),
}

const gamma = (shape: number, random: Random): number => {
  // Marsaglia and Tsang 2000, ACM Trans. Math. Softw. 26:363, raised by one for shapes below 1
  const d = Math.max(shape, shape + (shape < 1 ? 1 : 0)) - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random()) < 0.5 * x * x + d - d * v + d * Math.log(v))
      return d * v * (shape < 1 ? (1 - random()) ** (1 / shape) : 1)
  }
}

const beta = (a: number, b: number, random: Random): number => {
  const [x, y] = [gamma(a, random), gamma(b, random)]
  return x / (x + y)
}

/** Batches of alike requests within a minute, each with a loss of its own; some requests come alone. */
const batches =
  (of: number, correlation: number, alone: number): DrawRows =>
  (size, random) => {
    const weight = 1 / correlation - 1
    let [left, begin, loss] = [0, 0, 0]
    return rowsOf(size, random, () => {
      if (left === 0) {
        left = random() < (alone * of) / (alone * of + 1 - alone) ? 1 : of
        begin = random() * DAYS * DAY_MS
        loss = beta(BORDER * weight, (1 - BORDER) * weight, random)
      }
      left--
      return { at: begin + random() * 60_000, agrees: random() >= loss }
    })
  }

export const bursts: Record<string, DrawRows> = Object.fromEntries(
  [20, 50].flatMap((of) =>
    [0.09, 0.36].flatMap((correlation) => [
      [`${of} alike, correlation ${correlation}`, batches(of, correlation, 0)],
      [`the same, half of it alone (${of}, ${correlation})`, batches(of, correlation, 0.5)],
    ])
  )
)

/** Hours of a day in which a fifth of the answers is wrong; in the others one in a hundred. */
const HARD_HOURS = 8
/** What the worker reads of a week of 700,000 requests. */
const READ = 4000

/** A week of traffic, split by the product. */
const hardHours: DrawRows = (size, random) => {
  const now = DAYS * DAY_MS
  const exchanges = Array.from({ length: READ }, (_, i) => ({
    id: String(i),
    at: random() * now,
    conversation: String(i),
    query: `question ${i}`,
  }))
  const seed = Math.floor(random() * 2 ** 31)
  const settings = {
    trainRows: size,
    holdoutRows: size,
    burstMinutes: 5,
    seed,
    now,
  }
  const { traffic } = splitPopulation(exchanges, settings)
  return rowsOf(traffic.length, random, (place) => {
    const { at } = traffic[place]!
    const isHard = Math.floor(at / HOUR_MS) % 24 < HARD_HOURS
    return { at, agrees: random() >= (isHard ? 0.2 : 0.01) }
  })
}

export const hours: Record<string, DrawRows> = { 'eight hard hours a day': hardHours }

const TRIES = 10
/** Share of the rows on which two tries have the same luck. */
const SHARED = 0.7

/** Whether one of ten tries on the same rows passes, each at the level that is left to it. */
export const passesInTries = (loss: number, size: number, random: Random): boolean => {
  const luck = Array.from({ length: size }, random)
  return Array.from({ length: TRIES }, (_, tries) => tries).some((tries) => {
    const rows = rowsOf(size, random, (place) => ({
      agrees: (random() < SHARED ? luck[place]! : random()) >= loss,
    }))
    return isPromoted(rows, 'label', levelOfTry(tries))
  })
}

export const tries: Record<string, number> = {
  'ten, border': BORDER,
  'ten, 5.5 points': 0.055,
}
