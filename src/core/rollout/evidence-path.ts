/** How the evidence of a rollout came about, conversation by conversation, for a person who looks. */
import {
  evidenceBelow,
  evidenceOfRise,
  meanLoss,
  NO_PAIRS,
  onePair,
  type LossCounts,
} from './evidence.ts'
import { NO_STREAMS, withLosses, type Streams } from './pair-reader.ts'
import { SHARE_OF_PAIRS, type LossBounds } from './stages.ts'
import { thinned } from '../lists.ts'

/** A conversation that counts. */
export interface CountedLoss {
  /** of its newest turn, milliseconds since the epoch */
  at: number
  /** mean of its turns, −1 to 1 */
  loss: number
}

/** After a number of conversations. */
export interface EvidencePoint {
  at: number
  pairs: number
  /** mean so far, −1 to 1 */
  loss: number
  /** natural logarithms of the capitals, as in `EvidenceFigures` */
  rollback: number
  step: number
}

const MAX_POINTS = 200
/** Of these the newest have points of their own, where the capital of the next stage begins anew. */
const MAX_STAGES = 25

/**
 * Stages that a later one does not take the conversations of: a route that goes live again begins at 0.
 * @param starts conversations before each stage, in the order in which the stages were entered
 */
const lastingStarts = (starts: readonly number[]): number[] =>
  starts.filter((start, i) => starts.slice(i + 1).every((later) => later > start))

/** Numbers of conversations that have a point, rising: evenly spaced, and the two sides of each new stage. */
const placesOf = (pairs: number, starts: readonly number[]): number[] => {
  const sides = starts
    .slice(-MAX_STAGES)
    .flatMap((start) => [start - 1, start])
    .filter((place) => place > 0 && place <= pairs)
  const all = Array.from({ length: pairs }, (_, i) => i + 1)
  const wanted = new Set([...thinned(all, MAX_POINTS - sides.length), ...sides])
  return [...wanted].toSorted((a, b) => a - b)
}

type Bounds = Pick<LossBounds, 'margin' | 'least'>

const pointOf = (
  { stream }: Streams,
  inStage: LossCounts,
  at: number,
  { margin, least }: Bounds
): EvidencePoint => ({
  at,
  pairs: stream.pairs,
  loss: meanLoss(stream),
  rollback: Math.log(SHARE_OF_PAIRS) + evidenceOfRise(stream, margin, least),
  step: evidenceBelow(inStage, margin),
})

/**
 * @param counted in the order in which they count
 * @param stageStarts conversations before each stage, in the order in which the stages were entered
 * @returns at most 200 points; the last one has the values of `evidenceFigures`
 */
export const evidencePath = (
  counted: readonly CountedLoss[],
  bounds: Bounds,
  stageStarts: readonly number[]
): EvidencePoint[] => {
  const starts = lastingStarts(stageStarts)
  const [begins, places] = [new Set(starts), new Set(placesOf(counted.length, starts))]
  const points: EvidencePoint[] = []
  let streams = NO_STREAMS
  for (const { at, loss } of counted) {
    streams = withLosses(streams, onePair(loss), at, 0)
    const { pairs } = streams.stream
    if (begins.has(pairs)) streams = { ...streams, inStage: NO_PAIRS }
    // a stage may have begun at a conversation that a later turn has made one with another
    const isBefore = pairs === counted.length && (starts.at(-1) ?? 0) > pairs
    if (places.has(pairs))
      points.push(pointOf(streams, isBefore ? NO_PAIRS : streams.inStage, at, bounds))
  }
  return points
}
