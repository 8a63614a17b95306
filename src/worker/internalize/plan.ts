/**
 * Decides everything that an internalization needs before its first stage: training and held-out rows,
 * labels, the order in which sentences of the template are dropped, the stages of each arm. The plan
 * is stored, so training resumes with the same plan after a crash.
 */
import { mostChars, mostTokens, type AnswerRules } from '../../core/answer/answer-rules.ts'
import {
  constantExamples,
  leastEffectFirst,
  sentencesOf,
  type Sentence,
} from '../../core/learn/compress.ts'
import {
  winningLora,
  type Arm,
  type InternalizationPlan,
  type InternalizeOptions,
  type Retry,
  type Succession,
} from '../../core/lifecycle/internalization.ts'
import type { ArmName } from '../../core/learn/schedule.ts'
import { targetOf, textOf } from '../../core/answer/outcome.ts'
import { studentMessages } from '../../core/template/prompt.ts'
import { kindOf, provenKinds } from '../../core/route/request-kind.ts'
import {
  affordableFirstSteps,
  LEAST_PROMPTED_STEPS,
  planStages,
} from '../../core/learn/schedule.ts'
import { fitShares } from '../../core/learn/fits.ts'
import { knownLabels } from '../../core/answer/score.ts'
import type { ScheduleName, TrainingFacts } from '../../core/learn/schedule.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import type { ModelObject, TrainingMethod } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import { baseModelOf } from '../engine/watch.ts'
import type { MatchedExchange } from './exchanges.ts'
import { fitsContext, planRows, type PlannedRows, type PlanRefusal } from './plan-rows.ts'
import { stageRows } from './stage-rows.ts'

/** Completions on which the effect of a sentence is measured. */
const EFFECT_ROWS = 32
/** With more sentences, neighbours are measured together, which bounds the cost. */
const MAX_EFFECT_GROUPS = 16
/**
 * Share of the training time for the query-only arm. Its rows are short: within a budget it can make
 * all its steps, where the early stages of a schedule make only a handful.
 */
const QUERY_ONLY_TIME_SHARE = 0.6

export const sentenceTokens = (
  engine: Engine,
  baseModel: string,
  sentences: Sentence[]
): Promise<number[]> =>
  Promise.all(sentences.map((sentence) => engine.countTokens(baseModel, sentence.text)))

/** Neighbours share a group when there are more than `MAX_EFFECT_GROUPS` sentences. */
const groupOf = (index: number, count: number): number =>
  count <= MAX_EFFECT_GROUPS ? index : Math.floor((index * MAX_EFFECT_GROUPS) / count)

const meanLoss = async (
  engine: Engine,
  model: string,
  text: string,
  exchanges: MatchedExchange[]
): Promise<number> => {
  const rows = exchanges.map(({ match, outcome }) => ({
    messages: [
      ...studentMessages(match, { template: text, constantExamples: [], retrievedExamples: [] }),
      { role: 'assistant', content: targetOf(outcome) },
    ],
  }))
  const { losses } = await engine.loss(model, rows)
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

interface SentenceEffects {
  /** rise of the base model's loss when a sentence is left out */
  effects: number[]
  /** of one pass over the rows with the whole template */
  passSeconds: number
}

const sentenceEffects = async (
  deps: WorkerDeps,
  engine: Engine,
  model: string,
  sentences: Sentence[],
  exchanges: MatchedExchange[]
): Promise<SentenceEffects> => {
  const groups = sentences.map((_, index) => groupOf(index, sentences.length))
  const without = (group: number): string =>
    sentences
      .filter((_, index) => groups[index] !== group)
      .map((sentence) => sentence.text)
      .join('')
  const losses: number[] = []
  for (const group of new Set(groups))
    losses[group] = await meanLoss(engine, model, without(group), exchanges)
  // last, when the engine is warm
  const begun = deps.now()
  const full = await meanLoss(engine, model, without(-1), exchanges)
  const passSeconds = (deps.now() - begun) / 1000
  return { effects: groups.map((group) => losses[group]! - full), passSeconds }
}

/** For schedules that drop the whole template at once: no effects need to be measured. */
const withoutEffects = (sentences: Sentence[]): SentenceEffects => ({
  effects: sentences.map(() => 0),
  passSeconds: 0,
})

const scheduleTimeShare = ({ queryOnlyArm }: InternalizeOptions): number =>
  queryOnlyArm ? 1 - QUERY_ONLY_TIME_SHARE : 1

interface ArmFacts extends TrainingFacts {
  passSeconds: number
  method: TrainingMethod
  /** whether some stage trains with a part of the prompt */
  hasPrompt: boolean
}

/**
 * Whether the schedule is trained in addition to the query-only arm. Within a time budget its stages
 * with a prompt need enough steps to have an effect; otherwise the query-only arm gets all the time.
 * @param passSeconds of one pass over `EFFECT_ROWS` rows with the whole template, which is about the
 * time of an optimizer step over a quarter of these rows, because a step also has a backward pass
 */
const hasScheduleArm = (
  deps: WorkerDeps,
  { passSeconds, hasPrompt }: Pick<ArmFacts, 'passSeconds' | 'hasPrompt'>
): boolean => {
  const { config } = deps
  if (!hasPrompt) return false
  if (config.trainSeconds === null) return true
  const seconds = config.trainSeconds * scheduleTimeShare(config)
  const steps = affordableFirstSteps(config, seconds, passSeconds)
  if (steps >= LEAST_PROMPTED_STEPS) return true
  deps.log({
    level: 'warn',
    message: `the ${config.schedule} schedule is left out: TRAIN_MINUTES is too short for steps with the prompt`,
    data: { trainSeconds: config.trainSeconds, steps, least: LEAST_PROMPTED_STEPS },
  })
  return false
}

const planArms = (
  deps: WorkerDeps,
  { passSeconds, hasPrompt, method, ...facts }: ArmFacts
): Arm[] => {
  const { trainSeconds, schedule, stages, examples, queryOnlyArm } = deps.config
  const arm = (name: ArmName, shape: ScheduleName, timeShare: number): Arm => ({
    name,
    stages: planStages({
      schedule: shape,
      stages,
      examples,
      distils: method === 'self-distillation',
      ...facts,
      secondsBudget: trainSeconds === null ? null : trainSeconds * timeShare,
    }),
    results: [],
  })
  if (!hasScheduleArm(deps, { passSeconds, hasPrompt }))
    return [arm('query-only', 'single-stage', 1)]
  const scheduled = arm('schedule', schedule, scheduleTimeShare(deps.config))
  if (!queryOnlyArm) return [scheduled]
  return [arm('query-only', 'single-stage', QUERY_ONLY_TIME_SHARE), scheduled]
}

interface Compression {
  /** in which the stages drop sentences, by index */
  dropOrder: number[]
  templateTokens: number
  passSeconds: number
}

/** @param hasPrompt whether some stage has a part of the prompt; only then are effects measured */
const planCompression = async (
  deps: WorkerDeps,
  engine: Engine,
  baseModel: string,
  {
    template,
    train,
    hasPrompt,
  }: { template: Template; train: MatchedExchange[]; hasPrompt: boolean }
): Promise<Compression> => {
  const sentences = sentencesOf(template)
  const tokens = await sentenceTokens(engine, baseModel, sentences)
  const rows = train.filter(({ outcome }) => outcome.kind === 'text').slice(-EFFECT_ROWS)
  const { effects, passSeconds } = hasPrompt
    ? await sentenceEffects(deps, engine, baseModel, sentences, rows)
    : withoutEffects(sentences)
  return {
    passSeconds,
    dropOrder: leastEffectFirst(
      effects,
      sentences.map((sentence) => sentence.protected)
    ),
    templateTokens: tokens.reduce((sum, count) => sum + count, 0),
  }
}

/**
 * Self-distillation when the logged answers came from the engine's own base model with the prompt: its
 * log-probabilities then carry more than the answers. The teacher reads the whole prompt, which must
 * fit its context, and cannot teach a lora to defer.
 */
const methodFor = (
  deps: WorkerDeps,
  base: ModelObject,
  train: MatchedExchange[],
  fitsPrompt: boolean
): TrainingMethod => {
  const canDistil = base.training_methods?.includes('self-distillation') === true
  const isTeacher = train.every(
    ({ fingerprint, outcome }) =>
      outcome.kind === 'text' && fingerprint !== null && fingerprint === base.fingerprint
  )
  return deps.config.method === 'auto' && canDistil && isTeacher && fitsPrompt
    ? 'self-distillation'
    : 'supervised'
}

/** Whether the longest row with the whole prompt fits the base model's context. */
const fitsWithPrompt = async (
  deps: WorkerDeps,
  engine: Engine,
  base: ModelObject,
  { template, train }: { template: Template; train: MatchedExchange[] }
): Promise<boolean> => {
  const text = sentencesOf(template)
    .map((sentence) => sentence.text)
    .join('')
  const rows = stageRows(
    train,
    { template: text, examples: constantExamples(template) },
    { retrieved: deps.config.examples, method: 'supervised' }
  )
  const lengths = rows.map(({ messages }) =>
    messages.reduce((sum, { content }) => sum + String(content ?? '').length, 0)
  )
  const longest = rows[lengths.indexOf(Math.max(...lengths))]!
  return fitsContext(engine, base, longest.messages)
}

const answerRules = async (
  engine: Engine,
  baseModel: string,
  { train, traffic, responseType }: PlannedRows
): Promise<AnswerRules> => {
  const learned = train.flatMap(({ outcome }) => textOf(outcome) ?? [])
  const longest = [...learned, ...traffic.flatMap(({ outcome }) => textOf(outcome) ?? [])].reduce(
    (best, answer) => (answer.length > best.length ? answer : best)
  )
  return {
    responseType,
    labels: responseType === 'label' ? knownLabels(learned) : null,
    defers: train.some(({ outcome }) => outcome.kind !== 'text'),
    maxChars: mostChars(longest.length),
    maxTokens: mostTokens(await engine.countTokens(baseModel, longest)),
  }
}

const idsOf = (exchanges: MatchedExchange[]): string[] => exchanges.map(({ id }) => id)

/** The lora of the predecessor, where the engine still has it. */
const successorPlan = async (
  { store }: WorkerDeps,
  models: ModelObject[],
  successor: Succession | undefined
): Promise<Pick<InternalizationPlan, 'successor'>> => {
  if (successor === undefined) return {}
  const predecessor = await store.internalizations.get(successor.of)
  const lora = predecessor === null ? null : winningLora(predecessor)
  const isThere = models.some(({ id }) => id === lora)
  return { successor: { ...successor, lora: isThere ? lora : null } }
}

/**
 * @param cause what it follows; empty for the first one of a template
 * @returns a refusal when no lora could go live
 */
export const planInternalization = async (
  deps: WorkerDeps,
  engine: Engine,
  template: Template,
  { successor, retry }: { successor?: Succession; retry?: Retry }
): Promise<InternalizationPlan | PlanRefusal> => {
  const models = await engine.models()
  const base = baseModelOf(engine, models)
  const rows = await planRows(deps, engine, base, {
    template,
    since: successor?.since,
    trainRows: retry?.trainRows,
  })
  if ('refused' in rows) return rows
  const { train, traffic, unseen } = rows
  const fitsPrompt = await fitsWithPrompt(deps, engine, base, { template, train })
  const hasPrompt = fitsPrompt && deps.config.schedule !== 'single-stage'
  const { dropOrder, templateTokens, passSeconds } = await planCompression(deps, engine, base.id, {
    template,
    train,
    hasPrompt,
  })
  const method = methodFor(deps, base, train, fitsPrompt)
  return {
    schedule: deps.config.schedule,
    engine: engine.name,
    baseModel: base.id,
    seed: deps.config.seed,
    trainRecordIds: idsOf(train),
    holdoutRecordIds: idsOf(traffic),
    unseenRecordIds: idsOf(unseen),
    population: {
      ...rows.population,
      withoutPrompt: fitsPrompt
        ? null
        : `the prompt does not fit the ${base.max_model_len} tokens of ${base.id}`,
    },
    kinds: provenKinds(traffic.map(({ request, match }) => kindOf(request, match))),
    answers: await answerRules(engine, base.id, rows),
    dropOrder,
    templateTokens,
    method,
    ...(await successorPlan(deps, models, successor)),
    arms: planArms(deps, {
      method,
      hasPrompt,
      passSeconds,
      parameters: base.parameters ?? null,
      templateTokens,
      rows: train.length,
    }),
    ...(deps.config.learningCurve && { fitShares: fitShares(train.length) }),
  }
}
