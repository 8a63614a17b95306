/** The expected time of cells, before they are computed. Pure. */
import { LINEAR, TRAININGS, type Training } from './arms.ts'
import { cellArms, isTrained, type Cell } from './cells.ts'
import {
  curveHyperparameters,
  equalSteps,
  secondsOf,
  stageShapes,
  stepsInTime,
  type Costs,
  type Effort,
} from './stages.ts'

export interface EstimateInput {
  /** of the subject, or of models like its model */
  costs: Costs
  steps: number
  queries: number
  curveRows: number
  parameters: number
}

/** A job's start and end, and an answer among others; both hardly depend on the model's size. */
const JOB_SECONDS = 1.5
const ANSWER_SECONDS = 0.012
const EXAMPLES = 3

const effortsOf = (
  training: Training,
  { costs, parameters }: EstimateInput,
  rows: number
): Effort[] => {
  const whole = costs.points.at(-1)!.promptTokens
  const facts = { parameters, templateTokens: whole, rows, examples: EXAMPLES }
  return stageShapes(training, facts).map(({ effort, templateShare }) => ({
    effort,
    promptTokens: templateShare * whole,
  }))
}

const trainingSeconds = (cell: Cell, input: EstimateInput): number => {
  if (!isTrained(cell)) return 0
  const { costs, steps, curveRows, parameters } = input
  const training = TRAININGS[cell.training]
  const efforts = effortsOf(training, input, cell.exchanges)
  if (cell.matching === 'curve') {
    const facts = { parameters, templateTokens: 0, rows: curveRows, examples: 0 }
    const { max_steps: most } = curveHyperparameters(training, facts, cell.exchanges)
    return secondsOf(efforts, [most!], costs)
  }
  if (cell.matching === 'steps') return secondsOf(efforts, equalSteps(efforts, steps), costs)
  const linear = effortsOf(TRAININGS[LINEAR], input, cell.exchanges)
  const budget = secondsOf(linear, equalSteps(linear, steps), costs)
  return secondsOf(efforts, stepsInTime(efforts, budget, costs), costs)
}

/** Seconds of one lane. */
export const estimateSeconds = (cell: Cell, input: EstimateInput): number => {
  const jobs = isTrained(cell) ? TRAININGS[cell.training].stages : 0
  const answers = input.queries * Object.keys(cellArms(cell)).length
  return trainingSeconds(cell, input) + jobs * JOB_SECONDS + answers * ANSWER_SECONDS
}
