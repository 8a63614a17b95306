/**
 * Error of the cluster bootstrap on graded answers that lose exactly the margin. Knows nothing of
 * the gate, which reports this bound and does not decide by it.
 */
import { bootstrapLowerBound } from '../../src/core/gate/statistics-clusters.ts'

const ROWS = 600
const MARGIN = 0.05
const RESAMPLES = 1000

/** A quarter of the sessions loses 0.2 on average, so that the mean loss is the margin. */
const drawLoss = (random: () => number): number => (random() < 0.25 ? 0.4 * random() : 0)

/** Share of draws that pass although they should not; rows of one session lose the same. */
export const bootstrapError = (
  rowsPerSession: number,
  { alpha, draws, random }: { alpha: number; draws: number; random: () => number }
): number => {
  const sessions = Array.from({ length: ROWS }, (_, i) => Math.floor(i / rowsPerSession))
  let passed = 0
  for (let draw = 0; draw < draws; draw++) {
    const losses = Array.from({ length: Math.ceil(ROWS / rowsPerSession) }, () => drawLoss(random))
    const bound = bootstrapLowerBound(
      sessions.map((session) => -losses[session]!),
      sessions.map(String),
      { alpha, random, draws: RESAMPLES }
    )
    if (bound > -MARGIN) passed++
  }
  return passed / draws
}
