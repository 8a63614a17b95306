/**
 * Does a border that moves with the evidence keep the promise, and what does it win? Requests have a rank in their
 * confidence and a chance to be answered wrong that depends on the rank. The gate proves the first border, audits move
 * it, by the product's own functions.
 */
import { decide } from '../../src/core/gate/gate.ts'
import { BorderReader, provedBorder } from '../../src/core/rollout/border.ts'
import type { PairOutcome } from '../../src/core/rollout/pair.ts'
import { simulatedRow } from '../gate/row.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'
import { STEP_CAPITAL } from './false-alarms.ts'
import { alarmFigures, LIFE, MARGIN, repeat, shareFigure, type Run } from './run.ts'

const HELD_OUT = 1_000
/** Requests in which the worker looks once. */
const LOOK = 250
/** Requests of the first two stages with the share of them that is audited; the last stage has the rest. */
const STAGES = [
  { until: 5_000, audited: 0.95 },
  { until: 10_000, audited: 0.75 },
  { until: Infinity, audited: 0.03 },
]
const GAIN_REQUESTS = 20_000
/** A border is broken by a true loss that exceeds the margin by so much, for more than so many answers. */
const [SLACK, MOST_ANSWERS] = [0.005, 2_000]
const BROKEN_SHARE = 0.05
const GAIN_BAR = 0.04

/** Chance of a wrong answer by rank, from 0, the most confident request, to 1. */
export type Curve = (rank: number) => number

/** 3.0 % of the first 74 % of the requests are wrong and 5 % of the first 81 %, as on banking77. */
export const banking: Curve = (rank) => Math.min(1, 3.314e-4 * Math.exp(8.59 * rank))

const CURVES: Record<string, Curve> = {
  banking,
  flat: () => 0.03,
  steep: (rank) => (rank < 0.6 ? 0.005 : 0.6),
  bump: (rank) => (rank >= 0.4 && rank < 0.5 ? 0.25 : 0.01),
  // from a rank of a half on the loss is 6 points at each border
  excess: (rank) => (rank < 0.4 ? 0.03 : rank < 0.5 ? 0.18 : 0.06),
  late: (rank) => (rank < 0.7 ? 0.02 : 0.16),
}

const GRID = 1_000

/** True loss of a border that answers so much of the traffic, by thousandths. */
export const lossesOf = (curve: Curve): number[] => {
  let sum = 0
  return Array.from({ length: GRID }, (_, i) => {
    sum += curve((i + 0.5) / GRID)
    return sum / (i + 1)
  })
}

interface Life {
  /** coverage that the gate proved; null: it refused */
  proved: number | null
  /** after 20,000 requests */
  coverage: number
  /** answers at a border whose true loss is too high */
  broken: number
}

const NOT_PROMOTED: Life = { proved: null, coverage: 0, broken: 0 }

/** A rank as a confidence: the higher, the more sure. */
export const confidenceAt = (rank: number): number => -rank

/** Of all traffic, what a border answers. */
export const coverageOf = (border: number): number => Math.min(1, -border)

export const gateOn = (curve: Curve, random: () => number) => {
  const rows = Array.from({ length: HELD_OUT }, (_, place) => {
    const rank = random()
    return simulatedRow(place, { agrees: random() >= curve(rank), confidence: confidenceAt(rank) })
  })
  return decide({
    arms: [{ arm: 'label-head', statistic: 'sum', rows }],
    responseType: 'label',
    margin: MARGIN,
    burstMs: 0,
  })
}

const outcomeOf = (isWrong: boolean, isDraft: boolean): PairOutcome => {
  if (isDraft) return isWrong ? 'draft-disagreed' : 'draft-agreed'
  return isWrong ? 'disagreed' : 'agreed'
}

/** One audited request after another; the border moves at each look. */
const live = (curve: Curve, requests: number, random: () => number): Life => {
  const verdict = gateOn(curve, random)
  const { threshold, wider = [] } = verdict.arms[0]!
  if (verdict.verdict === 'reject' || threshold === null) return NOT_PROMOTED
  const losses = lossesOf(curve)
  const exceeds = (border: number): boolean =>
    losses[Math.min(GRID, Math.max(1, Math.round(GRID * coverageOf(border)))) - 1]! > MARGIN + SLACK
  const borders = [threshold, ...wider]
  const reader = new BorderReader(borders)
  let [number, broken, coverage] = [0, 0, 0]
  for (let done = 0; done < requests; done += LOOK) {
    const { audited } = STAGES.find(({ until }) => done < until)!
    for (let i = 0; i < LOOK * audited; i++) {
      const rank = random()
      const isWrong = random() < curve(rank)
      const isDraft = confidenceAt(rank) < borders[number]!
      reader.read({
        outcome: outcomeOf(isWrong, isDraft),
        rating: null,
        confidence: confidenceAt(rank),
      })
    }
    if (exceeds(borders[number]!)) broken += LOOK * coverageOf(borders[number]!)
    number = provedBorder(reader.sums().borders, number, { margin: MARGIN, capital: STEP_CAPITAL })
    if (done < GAIN_REQUESTS) coverage = coverageOf(borders[number]!)
  }
  return { proved: coverageOf(threshold), coverage, broken }
}

const isBroken = ({ broken }: Life): boolean => broken > MOST_ANSWERS

export const measureBorder = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  const all: Life[] = []
  for (const [name, curve] of Object.entries(CURVES)) {
    const lives = await repeat(`border_${name}`, Math.ceil(run.draws / 10), run, () =>
      live(curve, LIFE, run.random)
    )
    all.push(...lives)
    const promoted = lives.filter(({ proved }) => proved !== null)
    figures[`border_broken_${name}`] = withBar(shareFigure(lives.map(isBroken)), '<=', BROKEN_SHARE)
    figures[`border_promoted_${name}`] = shareFigure(lives.map(({ proved }) => proved !== null))
    if (promoted.length > 0)
      figures[`border_gain_${name}`] = spread(
        promoted.map(({ proved, coverage }) => coverage - proved!),
        'share of the traffic'
      )
  }
  return {
    ...figures,
    ...alarmFigures('border_broken', all.map(isBroken), BROKEN_SHARE),
    coverage_gain: withBar(figures['border_gain_banking']!, '>=', GAIN_BAR),
  }
}
