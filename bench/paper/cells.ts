/**
 * The cells of a run: which training on which rows. Each is computed once and is a line of the journal.
 * Pure.
 */
import { BASE_ARMS, REFERENCE, TRAININGS, type Served, type TrainingName } from './arms.ts'

/**
 * How two trainings are made comparable. `steps`: as many optimizer steps; `time`: as many seconds.
 * `curve`: the product's own steps for so many rows, for the learning curve.
 */
export const MATCHINGS = ['steps', 'time', 'curve'] as const
export type Matching = (typeof MATCHINGS)[number]

export interface Cell {
  subject: string
  seed: number
  /** `base`: the base model, without training */
  training: TrainingName | 'base'
  matching: Matching
  /** rows to train on */
  exchanges: number
}

export type TrainedCell = Cell & { training: TrainingName }

export const isTrained = (cell: Cell): cell is TrainedCell => cell.training !== 'base'

export interface StageResult {
  templateShare: number
  /** tokens of the template that are kept, over all */
  measuredRate: number
  examples: number
  /** tokens that the rows share */
  promptTokens: number
  steps: number
  rows: number
  /** as the engine measured them, beside other work on the machine */
  seconds: number
  trainLoss: number
  /** that the engine computed: a shared prompt counts once a step */
  trainedTokens: number
}

/** A finished cell. */
export interface CellResult extends Cell {
  stages: StageResult[]
  /** of all stages, by the measured cost of a step */
  plannedSeconds: number
  /** tokens of prompt and query of all rows of all steps, as if each row was read by itself */
  promptTokensRead: number
  /** for each arm one character a test question: 1 right, 0 wrong */
  right: Record<string, string>
  /** in cells of the learning curve: natural log-probability of each answer */
  confidences?: number[]
}

export const cellKey = ({ subject, seed, training, matching, exchanges }: Cell): string =>
  [subject, seed, training, matching, exchanges].join('/')

/** The arms that a cell measures, by the prompt that they are served with. */
export const cellArms = (cell: Cell): Partial<Record<Served, string>> =>
  isTrained(cell) ? TRAININGS[cell.training].arms : BASE_ARMS

/** Of the rows of `exchanges`; the curve is fitted on these parts and on all of them. */
export const CURVE_SHARES = [1 / 8, 1 / 4, 1 / 2, 1]
/** Rows of the loss that the curve is to predict, as a multiple of `exchanges`. */
export const CURVE_GROWTH = 2

export interface CellOptions {
  subjects: string[]
  seeds: number
  trainings: readonly TrainingName[]
  matchings: readonly Matching[]
  /** rows on which every training is compared */
  exchanges: number
  /** on fewer and on more rows, only these trainings are compared */
  mainExchanges: readonly number[]
  mainTrainings: readonly TrainingName[]
}

const comparisons = (
  { trainings, matchings, exchanges, mainExchanges, mainTrainings }: CellOptions,
  place: { subject: string; seed: number }
): Cell[] => {
  const compared = matchings.filter((matching) => matching !== 'curve')
  const sizes = (training: TrainingName): number[] =>
    mainTrainings.includes(training) ? [exchanges, ...mainExchanges] : [exchanges]
  return trainings.flatMap((training) =>
    sizes(training).flatMap((rows) =>
      compared.map((matching): Cell => ({ ...place, training, matching, exchanges: rows }))
    )
  )
}

const curveCells = (
  { matchings, exchanges }: CellOptions,
  place: { subject: string; seed: number }
): Cell[] =>
  matchings.includes('curve')
    ? [...CURVE_SHARES, CURVE_GROWTH].map((share) => ({
        ...place,
        training: REFERENCE,
        matching: 'curve',
        exchanges: Math.floor(share * exchanges),
      }))
    : []

/** In the order of the work: one seed of all subjects before the next seed, so that a part tells something. */
export const listCells = (options: CellOptions): Cell[] => {
  const { subjects, seeds } = options
  const base = subjects.map((subject): Cell => ({
    subject,
    seed: 0,
    training: 'base',
    matching: 'steps',
    exchanges: 0,
  }))
  const trained = Array.from({ length: seeds }, (_, seed) =>
    subjects.flatMap((subject) => [
      ...comparisons(options, { subject, seed }),
      ...curveCells(options, { subject, seed }),
    ])
  )
  return [...base, ...trained.flat()]
}
