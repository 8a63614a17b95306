/**
 * Fixes everything an internalization needs before its first stage: which rows train and which are
 * held out, the known labels, the order in which template segments are dropped, the stages of every
 * arm. The plan is stored, so a crash goes on with the same one.
 */
import { leastEffectFirst, textSegments, type TextSegment } from '../core/compress.ts'
import { splitExchanges } from '../core/dataset.ts'
import type { Arm, ArmName, InternalizationPlan } from '../core/internalization.ts'
import { studentMessages } from '../core/prompt.ts'
import { planStages } from '../core/schedule.ts'
import { knownLabels } from '../core/score.ts'
import type { ScheduleName } from '../core/schedule.ts'
import type { Template } from '../core/template.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError } from '../errors.ts'
import type { ModelObject } from '../openai/fine-tuning.ts'
import type { WorkerDeps } from './deps.ts'
import { loadExchanges, type Exchange } from './exchanges.ts'

/** Rows beyond what the plan asks for are read so that deduplication still leaves enough. */
const READ_AHEAD = 1.5
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
  segments: TextSegment[]
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
  const rows = exchanges.map(({ match, answer }) => ({
    messages: [
      ...studentMessages(match, { template: text, constantExamples: [], retrievedExamples: [] }),
      { role: 'assistant', content: answer },
    ],
  }))
  const { losses } = await engine.loss(model, rows)
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length
}

/** Rise of the base model's loss when a segment is left out (method §2), one value a segment. */
const segmentEffects = async (
  engine: Engine,
  model: string,
  segments: TextSegment[],
  exchanges: Exchange[]
): Promise<number[]> => {
  const groups = segments.map((_, index) => groupOf(index, segments.length))
  const without = (group: number): string =>
    segments
      .filter((_, index) => groups[index] !== group)
      .map((segment) => segment.text)
      .join('')
  const full = await meanLoss(engine, model, without(-1), exchanges)
  const effects: number[] = []
  for (const group of new Set(groups))
    effects[group] = (await meanLoss(engine, model, without(group), exchanges)) - full
  return groups.map((group) => effects[group]!)
}

const armNames = (config: WorkerDeps['config']): { name: ArmName; schedule: ScheduleName }[] => [
  { name: 'query-only', schedule: 'single-stage' },
  ...(config.schedule === 'single-stage'
    ? []
    : [{ name: 'schedule' as const, schedule: config.schedule }]),
]

const timeShare = (name: ArmName, arms: number): number => {
  if (arms === 1) return 1
  return name === 'query-only' ? QUERY_ONLY_TIME_SHARE : 1 - QUERY_ONLY_TIME_SHARE
}

const planArms = (
  config: WorkerDeps['config'],
  facts: { parameters: number | null; templateTokens: number; rows: number }
): Arm[] => {
  const names = armNames(config)
  return names.map(({ name, schedule }) => ({
    name,
    stages: planStages({
      schedule,
      stages: config.stages,
      examples: config.examples,
      ...facts,
      secondsBudget:
        config.trainSeconds === null ? null : config.trainSeconds * timeShare(name, names.length),
    }),
    results: [],
  }))
}

const chooseRows = async (
  deps: WorkerDeps,
  template: Template
): Promise<{ train: Exchange[]; holdout: Exchange[] }> => {
  const { trainRows, holdoutRows } = deps.config
  const limit = Math.ceil((trainRows + holdoutRows) * READ_AHEAD)
  const exchanges = await loadExchanges(deps.store, template, limit)
  return splitExchanges(exchanges, { trainRows, holdoutRows })
}

export const hasEnoughDistinct = async (deps: WorkerDeps, template: Template): Promise<boolean> => {
  const { train, holdout } = await chooseRows(deps, template)
  return train.length >= deps.config.trainRows && holdout.length >= deps.config.holdoutRows
}

/** @throws AppError `invalid-state` when the log holds too few distinct exchanges */
const requireRows = async (
  deps: WorkerDeps,
  template: Template
): Promise<{ train: Exchange[]; holdout: Exchange[] }> => {
  const rows = await chooseRows(deps, template)
  if (rows.train.length === 0 || rows.holdout.length === 0)
    throw new AppError(
      'invalid-state',
      `template ${template.version} has ${rows.train.length} distinct exchanges to train on and ` +
        `${rows.holdout.length} held out: send or import more traffic`
    )
  return rows
}

/** Every segment of the template with its tokens and the order in which stages drop them. */
const planCompression = async (
  engine: Engine,
  baseModel: string,
  template: Template,
  train: Exchange[]
): Promise<{ dropOrder: number[]; templateTokens: number }> => {
  const segments = textSegments(template)
  const tokens = await segmentTokens(engine, baseModel, segments)
  const effects = await segmentEffects(engine, baseModel, segments, train.slice(-EFFECT_ROWS))
  return {
    dropOrder: leastEffectFirst(
      effects,
      segments.map((segment) => segment.protected)
    ),
    templateTokens: tokens.reduce((sum, count) => sum + count, 0),
  }
}

export const planInternalization = async (
  deps: WorkerDeps,
  engine: Engine,
  template: Template
): Promise<InternalizationPlan> => {
  const { train, holdout } = await requireRows(deps, template)
  const base = await baseModelOf(engine)
  const { dropOrder, templateTokens } = await planCompression(engine, base.id, template, train)
  return {
    schedule: deps.config.schedule,
    engine: engine.name,
    baseModel: base.id,
    seed: deps.config.seed,
    trainRecordIds: train.map((exchange) => exchange.id),
    holdoutRecordIds: holdout.map((exchange) => exchange.id),
    labels: knownLabels(train.map((exchange) => exchange.answer)),
    dropOrder,
    templateTokens,
    arms: planArms(deps.config, {
      parameters: base.parameters ?? null,
      templateTokens,
      rows: train.length,
    }),
  }
}
