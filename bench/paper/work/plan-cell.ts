/** What a cell trains: its exchanges, its stages with their texts, and the optimizer steps of each. */
import { compressTemplate, sentencesOf } from '../../../src/core/learn/compress.ts'
import { fitRows } from '../../../src/core/learn/fits.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { Hyperparameters, ModelObject } from '../../../src/openai/fine-tuning.ts'
import { deriveSeed, seededRandom, shuffle } from '../../../src/random.ts'
import type { MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'
import type { StageText } from '../../../src/worker/exchanges/stage-rows.ts'
import { LINEAR, TRAININGS, type Training } from '../arms.ts'
import type { Cell, TrainedCell } from '../cells.ts'
import { shownExamples, type Shown, type Subject } from '../data/subject.ts'
import {
  curveHyperparameters,
  equalSteps,
  secondsOf,
  stageShapes,
  stepsInTime,
  type StageShape,
  type TrainingFacts,
} from '../stages.ts'
import { sharedTokens, type Prepared } from './prepare.ts'

export interface CellContext {
  engine: Engine
  base: ModelObject
  subject: Subject
  prepared: Prepared
  /** optimizer steps of a training where steps are equal */
  steps: number
  /** rows of the learning curve, of which its fits have parts */
  curveRows: number
}

/** The exchanges of a cell, and those that its prompt shows. */
export interface CellRows {
  exchanges: MatchedExchange[]
  shown: Shown
}

export interface PlannedStage extends StageShape {
  text: StageText
  measuredRate: number
  /** tokens that the rows share */
  promptTokens: number
}

export const cellRows = ({ subject, curveRows }: CellContext, cell: Cell): CellRows => {
  const { seed, exchanges: count, matching } = cell
  const all = subject.train(seed)
  const idsOf = (rows: number): string[] => all.slice(0, rows).map(({ id }) => id)
  const isPart = matching === 'curve' && count < curveRows
  const chosen = new Set(isPart ? fitRows(idsOf(curveRows), count / curveRows, seed) : idsOf(count))
  const exchanges = all.filter(({ id }) => chosen.has(id))
  if (exchanges.length < count)
    throw new Error(`${subject.name} has ${exchanges.length} of the ${count} exchanges`)
  return { exchanges, shown: shownExamples(subject, exchanges) }
}

const factsOf = (
  { base, prepared }: CellContext,
  rows: number,
  examples: number
): TrainingFacts => ({
  parameters: base.parameters ?? null,
  templateTokens: prepared.sentenceTokens.reduce((sum, tokens) => sum + tokens, 0),
  rows,
  examples,
})

const dropOrderOf = ({ dropping }: Training, { dropOrder }: Prepared, seed: number): number[] =>
  dropping === 'random'
    ? shuffle([...dropOrder.keys()], seededRandom(deriveSeed(seed, dropOrder.length)))
    : dropOrder

const stagesOf = (
  context: CellContext,
  training: Training,
  { exchanges, shown }: CellRows,
  seed: number
): Promise<PlannedStage[]> => {
  const { engine, base, subject, prepared } = context
  const facts = factsOf(context, exchanges.length, shown.examples.length)
  const dropOrder = dropOrderOf(training, prepared, seed)
  const sentences = sentencesOf(subject.template)
  const tokens = prepared.sentenceTokens
  return Promise.all(
    stageShapes(training, facts).map(async (shape) => {
      const compressed = compressTemplate(sentences, dropOrder, shape.templateShare, tokens)
      const text = {
        template: compressed.text,
        examples: shown.examples.slice(0, shape.examples),
      }
      const promptTokens = await sharedTokens(engine, base.id, exchanges[0]!.match, text)
      return { ...shape, text, measuredRate: compressed.measuredRate, promptTokens }
    })
  )
}

/** Seconds of the teacher's reading; 0 without a teacher. */
export const teacherSeconds = (
  { method }: Training,
  { costs }: Prepared,
  { exchanges }: CellRows
): number => (method === 'self-distillation' ? costs.teacherSecondsPerRow * exchanges.length : 0)

/** With equal time, all arms get the time that the linear schedule takes for the equal steps. */
const stepsOf = async (
  context: CellContext,
  { training, matching, seed }: TrainedCell,
  stages: PlannedStage[],
  rows: CellRows
): Promise<number[]> => {
  const { prepared, steps } = context
  if (matching === 'steps') return equalSteps(stages, steps)
  const linear = await stagesOf(context, TRAININGS[LINEAR], rows, seed)
  const budget = secondsOf(linear, equalSteps(linear, steps), prepared.costs)
  const reading = teacherSeconds(TRAININGS[training], prepared, rows)
  return stepsInTime(stages, budget - reading, prepared.costs)
}

/** Stages with all that their jobs need. */
export const planCell = async (
  context: CellContext,
  cell: TrainedCell,
  rows: CellRows
): Promise<(PlannedStage & { hyperparameters: Hyperparameters })[]> => {
  const training = TRAININGS[cell.training]
  const stages = await stagesOf(context, training, rows, cell.seed)
  if (cell.matching === 'curve') {
    const facts = factsOf(context, context.curveRows, 0)
    const hyperparameters = curveHyperparameters(training, facts, cell.exchanges)
    return stages.map((stage) => ({ ...stage, hyperparameters }))
  }
  const steps = await stepsOf(context, cell, stages, rows)
  return stages.map((stage, at) => ({
    ...stage,
    hyperparameters: { ...stage.hyperparameters, max_steps: steps[at]! },
  }))
}
