/**
 * Fixes everything an internalization needs before its first stage: which rows train and which are
 * held out, the known labels, the order in which template segments are dropped, the stages of every
 * arm. The plan is stored, so a crash goes on with the same one.
 */
import { mostChars, mostTokens, type AnswerRules } from '../../core/answer/answer-rules.ts'
import {
  constantExamples,
  leastEffectFirst,
  sentencesOf,
  type Sentence,
} from '../../core/learn/compress.ts'
import type {
  Arm,
  InternalizationPlan,
  InternalizeOptions,
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
import { knownLabels } from '../../core/answer/score.ts'
import type { ScheduleName, TrainingFacts } from '../../core/learn/schedule.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError } from '../../errors.ts'
import type { ModelObject, TrainingMethod } from '../../openai/fine-tuning.ts'
import type { WorkerDeps } from '../deps.ts'
import type { Exchange } from './exchanges.ts'
import { fitsContext, planRows, type PlannedRows, type PlanRefusal } from './plan-rows.ts'
import { stageRows } from './stage-rows.ts'

/** Completions whose loss decides what a template segment is worth (method §2). */
const EFFECT_ROWS = 32
/** Above this many segments the loss is measured on runs of neighbours, to bound its cost. */
const MAX_EFFECT_GROUPS = 16
/**
 * Share of the training time that the query-only arm gets. Its rows cost a fraction (method §4), so
 * that under a budget it can make all its steps where a schedule's early stages make a handful.
 */
const QUERY_ONLY_TIME_SHARE = 0.6

const baseModelOf = async (engine: Engine): Promise<ModelObject> => {
  const base = (await engine.models()).find((model) => model.parent === undefined)
  if (base === undefined)
    throw new AppError('engine-unavailable', `engine ${engine.name} lists no base model`)
  return base
}

export const segmentTokens = (
  engine: Engine,
  baseModel: string,
  segments: Sentence[]
): Promise<number[]> =>
  Promise.all(segments.map((segment) => engine.countTokens(baseModel, segment.text)))

/** Neighbouring segments share a group when there are more than `MAX_EFFECT_GROUPS`. */
const groupOf = (index: number, count: number): number =>
  count <= MAX_EFFECT_GROUPS ? index : Math.floor((index * MAX_EFFECT_GROUPS) / count)

const meanLoss = async (
  engine: Engine,
  model: string,
  text: string,
  exchanges: Exchange[]
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

interface SegmentEffects {
  /** rise of the base model's loss when a segment is left out (method §2) */
  effects: number[]
  /** of one pass over the rows with the whole template */
  passSeconds: number
}

const segmentEffects = async (
  deps: WorkerDeps,
  engine: Engine,
  model: string,
  segments: Sentence[],
  exchanges: Exchange[]
): Promise<SegmentEffects> => {
  const groups = segments.map((_, index) => groupOf(index, segments.length))
  const without = (group: number): string =>
    segments
      .filter((_, index) => groups[index] !== group)
      .map((segment) => segment.text)
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

/** Where everything is dropped at once, what a segment is worth does not matter. */
const withoutEffects = (segments: Sentence[]): SegmentEffects => ({
  effects: segments.map(() => 0),
  passSeconds: 0,
})

const scheduleTimeShare = ({ queryOnlyArm }: InternalizeOptions): number =>
  queryOnlyArm ? 1 - QUERY_ONLY_TIME_SHARE : 1

interface ArmFacts extends TrainingFacts {
  passSeconds: number
  method: TrainingMethod
  /** whether a stage may have a part of the prompt */
  hasPrompt: boolean
}

/**
 * Whether the schedule is trained, and not the query-only arm alone. Under a time budget its stages
 * with a prompt must have the time to teach something, else the query-only arm has better use for it.
 * @param passSeconds of one pass over `EFFECT_ROWS` rows with the whole template: with the way back,
 * an optimizer step over a quarter of the rows takes about as long
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
    message: `the ${config.schedule} schedule is left out: too little time for steps with the prompt`,
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
  /** in which stages drop the template's segments */
  dropOrder: number[]
  templateTokens: number
  passSeconds: number
}

/** @param hasPrompt whether some stage has a part of the prompt, so that its segments are weighed */
const planCompression = async (
  deps: WorkerDeps,
  engine: Engine,
  baseModel: string,
  { template, train, hasPrompt }: { template: Template; train: Exchange[]; hasPrompt: boolean }
): Promise<Compression> => {
  const segments = sentencesOf(template)
  const tokens = await segmentTokens(engine, baseModel, segments)
  const rows = train.filter(({ outcome }) => outcome.kind === 'text').slice(-EFFECT_ROWS)
  const { effects, passSeconds } = hasPrompt
    ? await segmentEffects(deps, engine, baseModel, segments, rows)
    : withoutEffects(segments)
  return {
    passSeconds,
    dropOrder: leastEffectFirst(
      effects,
      segments.map((segment) => segment.protected)
    ),
    templateTokens: tokens.reduce((sum, count) => sum + count, 0),
  }
}

/**
 * Self-distillation where the logged answers came from the engine's own base model with the prompt:
 * then its log-probabilities say more than the answers do (method §5). It reads the whole prompt,
 * and has nothing to say where the target is to defer.
 */
const methodFor = (
  deps: WorkerDeps,
  base: ModelObject,
  train: Exchange[],
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

/** Whether the longest row of a first stage, with the whole prompt, fits the base model's context. */
const fitsWithPrompt = async (
  deps: WorkerDeps,
  engine: Engine,
  base: ModelObject,
  { template, train }: { template: Template; train: Exchange[] }
): Promise<boolean> => {
  const text = sentencesOf(template)
    .map((segment) => segment.text)
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

const idsOf = (exchanges: Exchange[]): string[] => exchanges.map(({ id }) => id)

/** @returns a refusal where nothing that is trained could go live */
export const planInternalization = async (
  deps: WorkerDeps,
  engine: Engine,
  template: Template
): Promise<InternalizationPlan | PlanRefusal> => {
  const base = await baseModelOf(engine)
  const rows = await planRows(deps, engine, base, template)
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
    arms: planArms(deps, {
      method,
      hasPrompt,
      passSeconds,
      parameters: base.parameters ?? null,
      templateTokens,
      rows: train.length,
    }),
  }
}
