/**
 * The loss of a live route rises: does a part of it stay, and only where the loss has not risen? Audited requests are
 * read by the product's own functions.
 */
import { NarrowingReader, type BorderPair } from '../../src/core/rollout/border.ts'
import { addLoss, evidenceOfRise, NO_STREAM } from '../../src/core/rollout/evidence.ts'
import { spread, withBar, type Figures } from '../../test/kit/report.ts'
import { banking, confidenceAt, coverageOf, gateOn, lossesOf } from './border.ts'
import { ALARM_CAPITAL, ROLLBACK_CAPITAL } from './capital.ts'
import { STEP_CAPITAL } from './false-alarms.ts'
import { MARGIN, repeat, shareFigure, type Run } from './run.ts'

/** Requests of a new kind in the traffic: their share, their ranks from one on, and their chance to be wrong. */
interface NewKind {
  share: number
  from: number
  wrong: number
}

const WORLDS: Record<string, NewKind> = {
  /** the lora is unsure of them, as of most that it has not learned */
  unsure: { share: 0.15, from: 0.45, wrong: 0.8 },
  many: { share: 0.3, from: 0.45, wrong: 0.8 },
  /** and is as sure of them as of others: the loss rises at each border */
  sure: { share: 0.15, from: 0, wrong: 0.8 },
  /** the loss at each border is about the margin */
  border: { share: 0.03, from: 0, wrong: 1 },
}

/** Audited requests before and after the change: at 3 %, of 33,000 and of 100,000 requests. */
const [BEFORE, AFTER] = [1_000, 3_000]
const LOOK = 10
const WRONG_SHARE = 0.05
const GRID = 1_000
const LIMITS = {
  margin: MARGIN,
  least: 0,
  stepCapital: STEP_CAPITAL,
  rollbackCapital: ALARM_CAPITAL,
} as const

interface Life {
  outcome: 'kept' | 'narrowed' | 'rolled back'
  coverage: number
  /** true loss of the border in force at the end */
  loss: number
  /** audited requests from the change to the first decision */
  audits: number
}

/** True loss of a border that answers so much of the traffic of before. */
const lossAt = (coverage: number, { share, from, wrong }: NewKind): number => {
  const known = (1 - share) * coverage
  const fresh = share * Math.max(0, (coverage - from) / (1 - from))
  const losses = lossesOf(banking)
  const ofKnown = losses[Math.min(GRID, Math.max(1, Math.round(GRID * coverage))) - 1]!
  return (known * ofKnown + fresh * wrong) / (known + fresh)
}

const drawn = (kind: NewKind | null, random: () => number): BorderPair => {
  const isNew = kind !== null && random() < kind.share
  const rank = isNew ? kind.from + (1 - kind.from) * random() : random()
  const isWrong = random() < (isNew ? kind.wrong : banking(rank))
  const outcome = isWrong ? 'disagreed' : 'agreed'
  return { outcome, confidence: confidenceAt(rank), rating: null }
}

/** @returns null where the gate refuses */
const live = (kind: NewKind, random: () => number): Life | null => {
  const { verdict, arms } = gateOn(banking, random)
  const { threshold, narrower = [] } = arms[0]!
  if (verdict === 'reject' || threshold === null) return null
  let border = threshold
  let life: Pick<Life, 'outcome' | 'audits'> = { outcome: 'kept', audits: AFTER }
  let [stream, pairs]: [typeof NO_STREAM, BorderPair[]] = [NO_STREAM, []]
  for (let i = 0; i < BEFORE + AFTER; i++) {
    const pair = drawn(i < BEFORE ? null : kind, random)
    if (pair.confidence! < border) continue
    pairs.push(pair)
    stream = addLoss(stream, Number(pair.outcome === 'disagreed'))
    if (i % LOOK !== 0 || evidenceOfRise(stream, MARGIN, 0) < Math.log(ROLLBACK_CAPITAL)) continue
    const candidates = narrower.filter((each) => each > border)
    const reader = new NarrowingReader(border, candidates)
    for (const each of pairs) reader.read(each)
    const found = reader.narrowed(LIMITS)
    const audits = life.outcome === 'kept' ? i - BEFORE : life.audits
    if (found === null) return { outcome: 'rolled back', audits, coverage: 0, loss: 0 }
    border = found.border.threshold
    life = { outcome: 'narrowed', audits }
    pairs = pairs.filter(({ confidence }) => confidence! >= border)
    stream = pairs.reduce(
      (sum, each) => addLoss(sum, Number(each.outcome === 'disagreed')),
      NO_STREAM
    )
  }
  const coverage = coverageOf(border)
  return { ...life, coverage, loss: lossAt(coverage, kind) }
}

export const measureNarrowing = async (run: Run): Promise<Figures> => {
  const figures: Figures = {}
  for (const [name, kind] of Object.entries(WORLDS)) {
    const draws = Math.ceil(run.draws / 10)
    const all = await repeat(`narrowing_${name}`, draws, run, () => live(kind, run.random))
    const lives = all.filter((life) => life !== null)
    const narrowed = lives.filter(({ outcome }) => outcome === 'narrowed')
    const wrong = lives.map(({ outcome, loss }) => outcome === 'narrowed' && loss > MARGIN)
    figures[`part_kept_${name}`] = shareFigure(lives.map(({ outcome }) => outcome === 'narrowed'))
    figures[`part_wrong_${name}`] = withBar(shareFigure(wrong), '<=', WRONG_SHARE)
    if (narrowed.length > 0)
      figures[`part_coverage_${name}`] = spread(
        narrowed.map(({ coverage }) => coverage),
        'share of the traffic'
      )
    figures[`reaction_${name}`] = spread(
      lives.map(({ audits }) => audits),
      'audited requests after the change'
    )
  }
  return figures
}
