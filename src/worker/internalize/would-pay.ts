/** Before training: does the internalization pay? The worker starts on its own only those that may. */
import type { TemplateEconomics } from '../../core/cost/template-economics.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError } from '../../errors.ts'
import { rememberBaseModel } from '../../savings/base-model.ts'
import type { WorkerDeps } from '../deps.ts'
import { baseModelOf, isEngineLost, modelsWithin } from '../engine/watch.ts'
import { valueIn } from '../../core/lists.ts'

type Deps = Pick<
  WorkerDeps,
  'store' | 'engine' | 'engineCommands' | 'economics' | 'sleep' | 'now' | 'log' | 'fault'
>

/** Short, because the worker does nothing else while it waits. */
const ANSWER_MS = 5_000

/** @returns null when the engine is away: the estimate then uses the base model stored before */
const askBaseModel = async (engine: Engine, { sleep }: Deps): Promise<string | null> => {
  try {
    const models = await modelsWithin(engine, ANSWER_MS, sleep)
    return models === null ? null : baseModelOf(engine, models).id
  } catch (error) {
    if (isEngineLost(toAppError(error))) return null
    throw error
  }
}

/**
 * Stores the name of the base model, for which the price file may have a price. An engine that the worker starts and
 * stops is not started only to be asked for it.
 */
const learnBaseModel = async (deps: Deps): Promise<void> => {
  const { store, engine, engineCommands } = deps
  if (engine === null || engineCommands !== null) return
  const baseModel = await askBaseModel(engine, deps)
  if (baseModel !== null) await rememberBaseModel(store, baseModel)
}

const assess = async (deps: Deps, template: Template): Promise<TemplateEconomics> => {
  await learnBaseModel(deps)
  return valueIn(await deps.economics.assess([template]), template.version)
}

export type MayStart = (template: Template) => Promise<boolean>

/**
 * Whether the worker may internalize a template that no operator has asked for: yes, unless the
 * estimate is that it does not pay. Without prices, or with less than a day of log, the answer is yes.
 * Each refused template is logged once, with the reason.
 */
export const createMayStart = (deps: Deps): MayStart => {
  const refused = new Set<string>()
  return async (template) => {
    const { verdict, reason, isFreeText } = await assess(deps, template)
    // the plan rejects free text before it costs anything, with advice
    if (verdict !== 'does-not-pay' || isFreeText) return true
    const { version } = template
    if (!refused.has(version))
      deps.log({ level: 'info', message: `not internalized: ${reason}`, data: { version } })
    refused.add(version)
    return false
  }
}

/** For an internalization that an operator has asked for: it runs even when it does not pay. */
export const warnUnlessItPays = async (deps: Deps, template: Template): Promise<void> => {
  const { verdict, reason } = await assess(deps, template)
  if (verdict !== 'does-not-pay') return
  const { version } = template
  deps.log({ level: 'warn', message: `this does not pay: ${reason}`, data: { version } })
}
