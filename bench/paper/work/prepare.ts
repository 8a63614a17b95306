/**
 * What all cells of a subject share, measured once: the order in which sentences are dropped, and what
 * a step costs by the length of the prompt. Equal time is planned with these costs, so that other work
 * on the machine does not favour an arm.
 */
import {
  compressTemplate,
  leastEffectFirst,
  sentencesOf,
  type Sentence,
} from '../../../src/core/learn/compress.ts'
import { defaultHyperparameters } from '../../../src/core/learn/schedule.ts'
import {
  EMPTY_PROMPT,
  studentMessages,
  type StagePrompt,
} from '../../../src/core/template/prompt.ts'
import { targetOf } from '../../../src/core/answer/outcome.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import type { ModelObject, TrainingMethod } from '../../../src/openai/fine-tuning.ts'
import type { MatchedExchange } from '../../../src/worker/exchanges/exchanges.ts'
import { stageRows, type StageText } from '../../../src/worker/exchanges/stage-rows.ts'
import { inLanes } from '../../harness/lanes.ts'
import { shownExamples, type Subject } from '../data/subject.ts'
import type { CostPoint, Costs } from '../stages.ts'
import { train } from './engine-job.ts'

export interface Prepared {
  subject: string
  /** tokens of each sentence of the template */
  sentenceTokens: number[]
  /** sentences, least effect first */
  dropOrder: number[]
  costs: Costs
  /** tokens of a query with its kept slots, chat markers included: the mean of some */
  queryTokens: number
}

/** As the product does: completions on which an effect is measured, and groups of neighbours. */
const EFFECT_ROWS = 32
const MAX_EFFECT_GROUPS = 16
const COUNT_LANES = 8
/** Shares of the prompt at which the cost of a step is measured. */
const COST_SHARES = [0, 1 / 2, 1]
const COST_ROWS = 64
const COST_ROUNDS = 2
/** of the shorter of two jobs */
const FEW_STEPS = 4

const meanLoss = async (
  engine: Engine,
  model: string,
  template: string,
  exchanges: MatchedExchange[]
): Promise<number> => {
  const prompt = { ...EMPTY_PROMPT, template }
  const rows = exchanges.map(({ match, outcome }) => ({
    messages: [
      ...studentMessages(match, prompt),
      { role: 'assistant', content: targetOf(outcome) },
    ],
  }))
  const { losses } = await engine.loss(model, rows)
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

/** Rise of the base model's loss when a sentence and the neighbours of its group are left out. */
const sentenceEffects = async (
  engine: Engine,
  model: string,
  sentences: Sentence[],
  exchanges: MatchedExchange[]
): Promise<number[]> => {
  const groups = Math.min(MAX_EFFECT_GROUPS, sentences.length)
  const groupOf = (at: number): number => Math.floor((at * groups) / sentences.length)
  const without = (group: number): string =>
    sentences
      .filter((_, at) => groupOf(at) !== group)
      .map(({ text }) => text)
      .join('')
  const losses: number[] = []
  for (let group = 0; group < groups; group++)
    losses.push(await meanLoss(engine, model, without(group), exchanges))
  return sentences.map((_, at) => losses[groupOf(at)]!)
}

/** Tokens that all rows with this prompt begin with; 0 without a prompt. */
export const sharedTokens = async (
  engine: Engine,
  model: string,
  match: MatchedExchange['match'],
  { template, examples }: StageText
): Promise<number> => {
  const prompt: StagePrompt = { template, constantExamples: examples, retrievedExamples: [] }
  const [first] = studentMessages(match, prompt)
  return first?.role === 'system' ? engine.countTokens(model, [first]) : 0
}

export interface PrepareOptions {
  base: ModelObject
  /** a clock in seconds; best of the engine's processor time, which other work hardly changes */
  seconds: () => number
  isProcessorTime: boolean
  /** optimizer steps of a measurement */
  steps: number
}

interface Measured {
  engine: Engine
  subject: Subject
  options: PrepareOptions
}

interface Measure {
  text: StageText
  method: TrainingMethod
  steps: number
}

/** Seconds of one job: of its steps by the engine's clock, and of the whole of it. */
const measureJob = async (
  { engine, subject, options }: Measured,
  { text, method, steps }: Measure
): Promise<{ ofSteps: number; whole: number }> => {
  const rows = stageRows(subject.train(0).slice(0, COST_ROWS), text, { retrieved: 0, method })
  const parameters = options.base.parameters ?? null
  const facts = { parameters, templateTokens: 0, rows: rows.length }
  const begun = options.seconds()
  const job = await train(engine, {
    model: options.base.id,
    rows,
    method,
    hyperparameters: { ...defaultHyperparameters(facts), max_steps: steps },
    seed: 0,
  })
  const whole = options.seconds() - begun
  await engine.deleteModel(job.fine_tuned_model!)
  return { ofSteps: job.result_metrics!.seconds, whole }
}

/**
 * Seconds of a step, by two jobs: what a job needs beside its steps cancels out. The least of several
 * rounds in turn counts for each job, because other work, and processor time of an earlier process that
 * is added when it ends, can only make a job longer.
 */
const measureCosts = async (measured: Measured, texts: StageText[]): Promise<CostPoint[]> => {
  const { engine, subject, options } = measured
  const counts = [FEW_STEPS, FEW_STEPS + options.steps]
  const least = texts.map(() => counts.map(() => Infinity))
  for (let round = 0; round < COST_ROUNDS; round++)
    for (const [at, text] of texts.entries())
      for (const [which, steps] of counts.entries()) {
        const { ofSteps, whole } = await measureJob(measured, { text, method: 'supervised', steps })
        const seconds = options.isProcessorTime ? whole : ofSteps
        least[at]![which] = Math.min(least[at]![which]!, seconds)
      }
  const { match } = subject.test[0]!
  const tokens = await Promise.all(
    texts.map((text) => sharedTokens(engine, options.base.id, match, text))
  )
  return texts.map((_, at) => {
    const [few, many] = least[at]!
    return { promptTokens: tokens[at]!, secondsPerStep: (many! - few!) / options.steps }
  })
}

/** Seconds that the teacher takes for a row. */
const measureTeacher = async (measured: Measured): Promise<number> => {
  if (measured.options.base.training_methods?.includes('self-distillation') !== true) return 0
  const text = { template: '', examples: [] }
  const least = { supervised: Infinity, 'self-distillation': Infinity }
  for (let round = 0; round < COST_ROUNDS; round++)
    for (const method of ['supervised', 'self-distillation'] as const) {
      const { whole } = await measureJob(measured, { text, method, steps: 1 })
      least[method] = Math.min(least[method], whole)
    }
  return Math.max(0, least['self-distillation'] - least.supervised) / COST_ROWS
}

const meanQueryTokens = async ({ engine, subject, options }: Measured): Promise<number> => {
  const exchanges = subject.train(0).slice(0, EFFECT_ROWS)
  const counts: number[] = []
  await inLanes(COUNT_LANES, exchanges, async ({ match }, at) => {
    counts[at] = await engine.countTokens(options.base.id, studentMessages(match, EMPTY_PROMPT))
  })
  return counts.reduce((sum, count) => sum + count, 0) / counts.length
}

export const prepareSubject = async (
  engine: Engine,
  subject: Subject,
  options: PrepareOptions
): Promise<Prepared> => {
  const measured = { engine, subject, options }
  const sentences = sentencesOf(subject.template)
  const sentenceTokens: number[] = []
  await inLanes(COUNT_LANES, sentences, async ({ text }, at) => {
    sentenceTokens[at] = await engine.countTokens(options.base.id, text)
  })
  const exchanges = subject.train(0).slice(0, EFFECT_ROWS)
  const dropOrder = leastEffectFirst(
    await sentenceEffects(engine, options.base.id, sentences, exchanges),
    sentences.map((sentence) => sentence.protected)
  )
  const { examples } = shownExamples(subject, exchanges)
  const texts = COST_SHARES.map((share) => ({
    template: compressTemplate(sentences, dropOrder, share, sentenceTokens).text,
    examples: examples.slice(0, Math.floor(examples.length * share)),
  }))
  return {
    subject: subject.name,
    sentenceTokens,
    dropOrder,
    costs: {
      points: await measureCosts(measured, texts),
      teacherSecondsPerRow: await measureTeacher(measured),
    },
    queryTokens: await meanQueryTokens(measured),
  }
}
