/**
 * The smaller trainings of a learning curve: the same stages on a part of the rows. Knows nothing of engines
 * or of how the loras are judged.
 */
import { seededRandom } from '../../random.ts'
import { randomPart } from './bursts.ts'
import { epochsFor, type StagePlan } from './schedule.ts'

/** Of the training rows, smallest first. Each part contains the one before it. */
const SHARES = [1 / 8, 1 / 4, 1 / 2]
/** With fewer rows a lora has learned next to nothing, and the curve begins later. */
const LEAST_ROWS = 16

/** Shares of the training rows that a curve is fitted on, beside all of them. @param rows all of them */
export const fitShares = (rows: number): number[] =>
  SHARES.filter((share) => Math.floor(share * rows) >= LEAST_ROWS)

/**
 * The part of the training rows, in their order. A larger share of the same rows contains it.
 * @param ids of the rows that an optimizer step may use
 */
export const fitRows = (ids: readonly string[], share: number, seed: number): string[] =>
  randomPart(ids, Math.floor(share * ids.length), seededRandom(seed))

/**
 * The stages of an arm for a part of its rows: as many epochs as so few rows get, and under a time budget the
 * same share of the time.
 * @param rows all of them
 */
export const fitStages = (
  stages: readonly StagePlan[],
  share: number,
  rows: number
): StagePlan[] => {
  const epochs = epochsFor(share * rows)
  const steps = (share * epochs) / epochsFor(rows)
  return stages.map((stage) => {
    const { max_steps: maxSteps, max_seconds: maxSeconds, ...others } = stage.hyperparameters
    // a head has none
    if (maxSteps === undefined) return stage
    return {
      ...stage,
      hyperparameters: {
        ...others,
        n_epochs: epochs,
        max_steps: Math.max(1, Math.ceil(steps * maxSteps)),
        ...(maxSeconds === undefined ? {} : { max_seconds: share * maxSeconds }),
      },
    }
  })
}
