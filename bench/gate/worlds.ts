/**
 * Simulated exchanges with known truth: how confident an adapted model is, how often it is right at
 * that confidence, how two arms share their mistakes, and what a validation loss shows of them.
 * Knows nothing of the gate.
 */
import { simulatedRow } from './row.ts'
import type { HeldOutRow } from '../../src/core/gate/gate.ts'
import type { ConfidenceStatistic } from '../../src/core/route/confidence.ts'

/** Pieces of the confidence scale, most confident first: share of requests, chance to agree. */
export type Shape = readonly (readonly [share: number, agreement: number])[]

/** Shares of all exchanges on which a fresh upstream answer and the adapted one part ways. */
export interface Upstream {
  onlyUpstreamAgrees: number
  onlyAdaptedAgrees: number
  neitherAgrees: number
}

export interface World {
  /** in the plan's order: query only, then the schedule */
  arms: readonly [Shape, Shape]
  /** fresh upstream answers exist; both arms then have one chance to agree at every confidence */
  upstream?: Upstream
}

/** The least that counts as a broken promise. */
export const BEYOND = 1e-6
/** Loss of the second arm where none was measured. */
const SECOND_ARM_LOSS = 0.01

// coverage 70 / 60 / 53 / 38 % at 95 / 97 / 98 / 99 %, 82 % over all: docs/experiments.md#gate-rules
const MEASURED: Shape = [
  [0.38, 0.99],
  [0.15, 0.955],
  [0.07, 0.894],
  [0.1, 0.83],
  [0.3, 0.517],
]

// both arms of the first whole run: the table of docs/experiments.md#banking77, piece by piece
const FIRST_RUN: [Shape, Shape] = [
  [
    [0.2, 0.985],
    [0.2, 0.971],
    [0.1, 0.918],
    [0.1, 0.882],
    [0.1, 0.826],
    [0.1, 0.622],
    [0.2, 0.405],
  ],
  [
    [0.2, 0.965],
    [0.2, 0.915],
    [0.1, 0.85],
    [0.1, 0.652],
    [0.1, 0.709],
    [0.1, 0.429],
    [0.2, 0.26],
  ],
]

/** 82 % right over all, falling without steps, so that many thresholds lie near the border. */
const GRADUAL: Shape = [
  [0.2, 0.995],
  [0.1, 0.985],
  [0.1, 0.975],
  [0.1, 0.96],
  [0.1, 0.93],
  [0.05, 0.89],
  [0.05, 0.83],
  [0.3, 0.5],
]

const twice = (shape: Shape): World => ({ arms: [shape, shape] })

const beside = (shape: Shape): World => ({
  arms: [shape, shape.map(([share, agreement]) => [share, agreement - SECOND_ARM_LOSS] as const)],
})

/** Both arms never keep the promise, at any confidence: the hardest case for false promotion. */
export const borderWorld = (margin: number): World => twice([[1, 1 - margin - BEYOND]])

export const measuredWorld: World = beside(MEASURED)

/** Named worlds; `margin` places the ones that lie at the border. */
export const worldsAt = (margin: number): Record<string, World> => ({
  'banking77 as measured': measuredWorld,
  'banking77, first whole run': { arms: FIRST_RUN },
  'gradual decline': beside(GRADUAL),
  'label noise at the top': beside([
    [0.08, 0.955],
    [0.5, 0.985],
    [0.12, 0.88],
    [0.3, 0.55],
  ]),
  'good enough to answer all': beside([
    [0.7, 0.995],
    [0.3, 0.97],
  ]),
  'weak model, small safe part': beside([
    [0.3, 0.995],
    [0.2, 0.85],
    [0.5, 0.3],
  ]),
  'lower loss, useless confidence': { arms: [MEASURED, [[1, 0.9]]] },
  'confidence says nothing, 82 %': beside([[1, 0.82]]),
  'border everywhere': borderWorld(margin),
  'border after a safe start': twice([
    [0.25, 1 - margin / 2],
    [0.15, 1 - 2 * margin],
    [0.6, 1 - 1.2 * margin],
  ]),
  'overconfident top': twice([
    [0.25, 1 - 2 * margin],
    [0.35, 1 - 0.6 * margin],
    [0.4, 0.7],
  ]),
})

/** Both arms differ from the upstream on `discordance` of the exchanges, by `loss` on balance. */
export const pairedWorld = (discordance: number, loss: number): World => {
  const upstream = {
    onlyUpstreamAgrees: (discordance + loss) / 2,
    onlyAdaptedAgrees: (discordance - loss) / 2,
    neitherAgrees: 0.02,
  }
  return {
    ...twice([[1, 1 - upstream.neitherAgrees - upstream.onlyUpstreamAgrees]]),
    upstream,
  }
}

/** The paired world at the border. With fewer discordant pairs than the margin there is none. */
export const pairedBorder = (discordance: number, margin: number): World =>
  pairedWorld(Math.max(discordance, margin + BEYOND), margin + BEYOND)

/** Chance to agree at a place of the confidence scale. */
export const chanceAt = (shape: Shape, place: number): number => {
  let passed = 0
  for (const [share, agreement] of shape) {
    passed += share
    if (place < passed) return agreement
  }
  return shape.at(-1)![1]
}

/** Chance that the adapted answer agrees, given the fresh upstream answer. */
const chanceGiven = (upstream: Upstream, upstreamAgrees: boolean): number => {
  const { onlyUpstreamAgrees, onlyAdaptedAgrees, neitherAgrees } = upstream
  const upstreamWrong = onlyAdaptedAgrees + neitherAgrees
  return upstreamAgrees
    ? 1 - onlyUpstreamAgrees / (1 - upstreamWrong)
    : onlyAdaptedAgrees / upstreamWrong
}

/** One answer of an arm before its shape: where it lies on the scale, and its luck. */
interface Luck {
  place: number
  agreement: number
  /** of the second statistic around the first, triangular */
  noise: number
}

const drawLuck = (random: () => number): Luck => ({
  place: random(),
  agreement: random(),
  noise: random() + random() - 1,
})

/** Share of exchanges on which both arms have the same luck. */
const SHARED = 0.7

export const luckOfArms = (random: () => number): [Luck, Luck] => {
  const first = drawLuck(random)
  return [first, random() < SHARED ? first : drawLuck(random)]
}

/** Spread of the second statistic around the first, in places of the confidence scale. */
const STATISTIC_NOISE = 0.03

/** Held-out rows of both arms; the first `replays` exchanges have a fresh upstream answer. */
export const drawHeldOut = (
  { arms, upstream }: World,
  { size, replays }: { size: number; replays: number },
  random: () => number
): [HeldOutRow[], HeldOutRow[]] => {
  const rows: [HeldOutRow[], HeldOutRow[]] = [[], []]
  for (let i = 0; i < size; i++) {
    const wrong = upstream === undefined ? 0 : upstream.onlyAdaptedAgrees + upstream.neitherAgrees
    const upstreamAgrees = wrong === 0 || random() >= wrong
    luckOfArms(random).forEach(({ place, agreement, noise }, arm) => {
      const chance =
        upstream === undefined ? chanceAt(arms[arm]!, place) : chanceGiven(upstream, upstreamAgrees)
      const agrees = agreement < chance
      const isFresh = i < replays
      rows[arm]!.push({
        ...simulatedRow(i, { agrees, confidence: -place }),
        logprobMin: -(place + STATISTIC_NOISE * noise),
        agreesToday: isFresh ? agrees : null,
        fresh: isFresh ? { repeats: upstreamAgrees, asLogged: [true, upstreamAgrees] } : null,
      })
    })
  }
  return rows
}

/** Training rows beside each held-out row, as in the task benchmark. */
const TRAINING_ROWS_PER_HELD_OUT = 1.5
/** The product's own rule: the newest 5 % of the training rows, 64 at most. */
export const validationRows = (heldOut: number): number =>
  Math.min(64, Math.floor(0.05 * TRAINING_ROWS_PER_HELD_OUT * heldOut))

/**
 * Spread of the natural log of a loss around what the arm's errors say: an arm may be more or less
 * overconfident. In the one pair that was measured, 1.52 times the errors came with 1.36 times the
 * loss, 0.11 apart.
 */
const CALIBRATION_SPREAD = 0.15

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** −ln of the probability given to the logged answer: some share of the rest where it is wrong. */
const lossOf = (shape: Shape, { place, agreement }: Luck, random: () => number): number => {
  const chance = chanceAt(shape, place)
  return agreement < chance ? -Math.log(chance) : -Math.log((1 - chance) * (1 - random()))
}

/** Validation losses of both arms on rows of their own, fewer than the held-out ones. */
export const drawValidationLosses = (
  { arms }: World,
  heldOut: number,
  random: () => number
): [number, number] => {
  const sums: [number, number] = [0, 0]
  for (let row = validationRows(heldOut); row > 0; row--)
    luckOfArms(random).forEach((luck, arm) => (sums[arm]! += lossOf(arms[arm]!, luck, random)))
  return [
    sums[0] * Math.exp(CALIBRATION_SPREAD * normal(random)),
    sums[1] * Math.exp(CALIBRATION_SPREAD * normal(random)),
  ]
}

/** Places that the truth is integrated over. */
const GRID = 4000

/** P(noise ≤ x) of the second statistic. */
const noiseBelow = (x: number): number => {
  const scaled = Math.min(1, Math.max(-1, x / STATISTIC_NOISE))
  return scaled < 0 ? (1 + scaled) ** 2 / 2 : 1 - (1 - scaled) ** 2 / 2
}

/** True coverage and agreement of what a shape answers above a threshold. */
export const truthAt = (
  shape: Shape,
  statistic: ConfidenceStatistic,
  threshold: number
): { coverage: number; agreement: number } => {
  let [answered, right] = [0, 0]
  for (let i = 0; i < GRID; i++) {
    const place = (i + 0.5) / GRID
    const room = -threshold - place
    const share = statistic === 'sum' ? Number(room >= 0) : noiseBelow(room)
    answered += share
    right += share * chanceAt(shape, place)
  }
  return { coverage: answered / GRID, agreement: answered === 0 ? 1 : right / answered }
}

/** Agreement that the promise asks for: the upstream's own minus the margin. */
export const requiredAgreement = ({ upstream }: World, margin: number): number =>
  1 - margin - (upstream === undefined ? 0 : upstream.onlyAdaptedAgrees + upstream.neitherAgrees)
