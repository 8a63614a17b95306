/**
 * One stage of one arm: its rows, its job, its result. The job is looked up by its metadata before it
 * is created, so a crash never trains a stage twice.
 */
import { compressTemplate, constantExamples, sentencesOf } from '../../core/learn/compress.ts'
import {
  heldOutIds,
  validationCount,
  type Arm,
  type Internalization,
  type InternalizationPlan,
  type StageResult,
} from '../../core/internalization/internalization.ts'
import { slotsOf, type Match, type Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { isHead, type HeadName } from '../../core/learn/schedule.ts'
import { AppError } from '../../errors.ts'
import {
  isUnfinished,
  type JobObject,
  type TrainingMethod,
  type TrainingRow,
} from '../../openai/fine-tuning.ts'
import { sentenceTokens } from '../plan/compression.ts'
import type { WorkerDeps } from '../deps.ts'
import { exchangesByIds, type MatchedExchange } from '../exchanges/exchanges.ts'
import { stageRows, type StageText } from '../exchanges/stage-rows.ts'
import { trainingFileName } from './training-files.ts'
import { itemAt } from '../../core/lists.ts'
import { findAnswerForm, formRowOf } from '../../core/answer/answer-form.ts'
import { textsOf } from '../../core/answer/outcome.ts'
import { readTargets } from '../../core/form/read-targets.ts'
import { queryKey, trainingRow } from '../../core/learn/dataset.ts'
import { answerTestOf, exampleKey, promptExamples } from '../../core/learn/head/prompt-examples.ts'
import { EMPTY_PROMPT, type FewShot } from '../../core/template/prompt.ts'
import type { Store } from '../../store/store.ts'

/** Rows of the prompt's few-shot examples, which a head learns before those of the exchanges. */
interface HeadContext {
  plan: InternalizationPlan
  template: Template
  head: HeadName
}

const matchOf = (template: Template, { query }: FewShot): Match => ({
  template,
  slots: {},
  examples: {},
  query,
  turns: [],
})

/**
 * Those that the form of the exchanges explains. Many others would leave the head without any form, and its training
 * would fail.
 */
const ofForm = (
  examples: FewShot[],
  template: Template,
  exchanges: MatchedExchange[]
): FewShot[] => {
  const found = findAnswerForm(exchanges)
  if (found === null) return []
  return examples.filter((example) => {
    const outcome = { kind: 'text' as const, text: example.answer }
    return readTargets(found.form, formRowOf({ match: matchOf(template, example), outcome })!)
  })
}

/**
 * None of them has a question that is held out, because the head is judged by it, or that an exchange answers.
 * @param exchanges to learn from, oldest first
 */
const exampleRows = async (
  store: Store,
  { plan, template, head }: HeadContext,
  exchanges: MatchedExchange[]
): Promise<TrainingRow[]> => {
  // an example says nothing of the slots, which a head reads with the question
  if (slotsOf(template).some(({ kept }) => kept)) return []
  const answers = textsOf(exchanges)
  const isAnswer = answerTestOf(plan.answers.responseType, answers)
  const examples = promptExamples({ template, exchanges, isAnswer })
  if (examples.length === 0) return []
  const heldOut = await exchangesByIds(store, template, heldOutIds(plan))
  const asked = new Set(
    [...exchanges, ...heldOut].flatMap((exchange) => [
      queryKey(exchange),
      // the first question of a conversation, which may be an example, too
      exampleKey(exchange.match),
    ])
  )
  const others = examples.filter((example) => !asked.has(exampleKey(example)))
  const learned = head === 'field-head' ? ofForm(others, template, exchanges) : others
  return learned.map((example) =>
    trainingRow(matchOf(template, example), EMPTY_PROMPT, example.answer)
  )
}

/** Failures of the machine: the same job may succeed later (docs/contract.md, "Crashes"). */
const PASSING = new Set(['engine_unavailable', 'store_unavailable'])
const MAX_JOBS = 3
/** A full disk or a lack of memory takes more than seconds to resolve. */
const PAUSE_MS = 60_000

type AfterFailure = 'again' | 'wait' | 'give-up'

/**
 * @param jobs all jobs of the stage, newest first; the newest has failed or was cancelled
 * @param now milliseconds since the epoch
 */
export const afterFailure = (jobs: JobObject[], now: number): AfterFailure => {
  const [newest] = jobs
  const passes = newest?.status === 'failed' && PASSING.has(newest.error?.code ?? '')
  if (!passes || jobs.length >= MAX_JOBS) return 'give-up'
  const pausedMs = now - (newest.finished_at ?? 0) * 1000
  // the engine's clock may be ahead
  return pausedMs >= 0 && pausedMs < PAUSE_MS ? 'wait' : 'again'
}

export interface StageContext {
  internalization: Internalization
  plan: InternalizationPlan
  template: Template
  /** the arm in training, and its number in the names of jobs and files */
  trained: Arm
  arm: number
  stage: number
}

const stageText = async (
  engine: Engine,
  context: StageContext
): Promise<StageText & { measuredRate: number }> => {
  const { plan, template, trained } = context
  const stage = itemAt(trained.stages, context.stage)
  const sentences = sentencesOf(template)
  const tokens = await sentenceTokens(engine, plan.baseModel, sentences)
  const { text, measuredRate } = compressTemplate(
    sentences,
    plan.dropOrder,
    stage.templateShare,
    tokens
  )
  const examples = constantExamples(template)
  return {
    template: text,
    examples: examples.slice(0, Math.floor(examples.length * stage.templateShare)),
    measuredRate,
  }
}

const metadataOf = ({ internalization, arm, stage }: StageContext) => ({
  internalization_id: internalization.id,
  arm: String(arm),
  stage: String(stage),
  idempotency_key: `${internalization.id}/${arm}/${stage}`,
})

/** The first stage starts from the encoder, the predecessor's lora or the base model, each later one from the lora before it. */
const startModel = ({ plan, trained, stage }: StageContext): string =>
  stage === 0
    ? (trained.encoder ?? plan.successor?.lora ?? plan.baseModel)
    : itemAt(trained.results, stage - 1).lora

const methodOf = ({ plan, trained }: StageContext): TrainingMethod =>
  isHead(trained.name) ? trained.name : plan.method

/** What a head learns beside the exchanges. */
const rowsOfExamples = async (
  { store, log }: WorkerDeps,
  { plan, template, trained }: StageContext,
  exchanges: MatchedExchange[]
): Promise<TrainingRow[]> => {
  if (!isHead(trained.name)) return []
  const rows = await exampleRows(store, { plan, template, head: trained.name }, exchanges)
  if (rows.length > 0)
    log({
      level: 'info',
      message: `${rows.length} ${rows.length === 1 ? 'example of the prompt is a row' : 'examples of the prompt are rows'} to learn from`,
    })
  return rows
}

const createStageJob = async (
  deps: WorkerDeps,
  engine: Engine,
  context: StageContext
): Promise<JobObject> => {
  const { plan, template, trained, stage } = context
  const { examples: retrieved, hyperparameters } = itemAt(trained.stages, stage)
  const exchanges = await exchangesByIds(deps.store, template, plan.trainRecordIds)
  const method = methodOf(context)
  const rows = stageRows(exchanges, await stageText(engine, context), {
    retrieved,
    method,
  })
  const examples = await rowsOfExamples(deps, context, exchanges)
  // the newest exchanges validate; examples of the prompt do not count
  const validation = validationCount(rows.length)
  const trainingFile = await engine.uploadRows(
    [...examples, ...rows.slice(0, rows.length - validation)],
    trainingFileName(context, 'train')
  )
  const validationFile =
    validation === 0
      ? null
      : await engine.uploadRows(rows.slice(-validation), trainingFileName(context, 'valid'))
  return engine.createJob({
    model: startModel(context),
    training_file: trainingFile,
    validation_file: validationFile,
    hyperparameters,
    method: { type: method },
    seed: plan.seed,
    metadata: metadataOf(context),
  })
}

/** Newest first. */
const stageJobs = (engine: Engine, context: StageContext): Promise<JobObject[]> => {
  const { internalization_id, arm, stage } = metadataOf(context)
  return engine.findJobs({ internalization_id, arm, stage })
}

const stageResult = async (
  engine: Engine,
  context: StageContext,
  job: JobObject
): Promise<StageResult> => ({
  jobId: job.id,
  lora: job.fine_tuned_model!,
  measuredRate: (await stageText(engine, context)).measuredRate,
  metrics: job.result_metrics!,
})

/** `running`: how far it is can be asked; `waiting`: for the machine; `begun`: a job was created. */
export type StageOutcome =
  | { name: 'trained'; result: StageResult }
  | { name: 'running'; job: JobObject }
  | { name: 'waiting' | 'begun' }

/**
 * Brings a stage one step further: creates its job, looks whether it has ended, or tries again.
 * @throws AppError `invalid-state` when the job has failed for good or was cancelled
 */
export const trainStage = async (
  deps: WorkerDeps,
  engine: Engine,
  context: StageContext
): Promise<StageOutcome> => {
  const jobs = await stageJobs(engine, context)
  const job = jobs[0] ?? (await createStageJob(deps, engine, context))
  if (job.status === 'succeeded')
    return { name: 'trained', result: await stageResult(engine, context, job) }
  if (isUnfinished(job)) return { name: 'running', job }
  const ending = `job ${job.id} of stage ${context.stage} ${job.status}: ${job.error?.message ?? 'no reason given'}`
  const next = afterFailure(jobs, deps.now())
  // includes a job that an operator has cancelled
  if (next === 'give-up') throw new AppError('invalid-state', ending)
  if (next === 'wait') return { name: 'waiting' }
  deps.log({ level: 'warn', message: `${ending}; it is tried again`, data: { job: job.id } })
  await createStageJob(deps, engine, context)
  return { name: 'begun' }
}
