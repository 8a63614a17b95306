/** Before training: would the internalization pay? What the operator did not ask for must. */
import { setTimeout as delay } from 'node:timers/promises'
import type { TemplateEconomics } from '../../core/cost/template-economics.ts'
import type { Template } from '../../core/template/template.ts'
import type { Engine } from '../../engine/engine.ts'
import { toAppError } from '../../errors.ts'
import { rememberBaseModel } from '../../savings/economics.ts'
import type { WorkerDeps } from '../deps.ts'
import { isEngineLost } from '../engine/watch.ts'

type Deps = Pick<WorkerDeps, 'store' | 'engine' | 'engineCommands' | 'economics' | 'log'>

/** A question of money does not hold the worker up. */
const ANSWER_MS = 5_000

const baseModelOf = async (engine: Engine): Promise<string | null> => {
  const answered = new AbortController()
  try {
    const timeout = delay(ANSWER_MS, [], { signal: answered.signal, ref: false })
    const models = await Promise.race([engine.models(), timeout])
    return models.find(({ parent }) => parent === undefined)?.id ?? null
  } catch (error) {
    // what is known already does until the engine is back
    if (isEngineLost(toAppError(error))) return null
    throw error
  } finally {
    answered.abort()
  }
}

/**
 * The price file may have a price of the model that loras are trained on. A machine that the worker
 * starts and stops is paid by the hour, and not started for the question.
 */
const learnBaseModel = async ({ store, engine, engineCommands }: Deps): Promise<void> => {
  if (engine === null || engineCommands !== null) return
  const baseModel = await baseModelOf(engine)
  if (baseModel !== null) await rememberBaseModel(store, baseModel)
}

const assess = async (deps: Deps, template: Template): Promise<TemplateEconomics> => {
  await learnBaseModel(deps)
  return (await deps.economics.assess([template])).get(template.version)!
}

export type MayStart = (template: Template) => Promise<boolean>

/**
 * Whether a template may be internalized although no person asked for it: not when that clearly does
 * not pay. Without prices, or with too little of a log, it may. The log says why not, once a template.
 */
export const createMayStart = (deps: Deps): MayStart => {
  const refused = new Set<string>()
  return async (template) => {
    const { verdict, reason } = await assess(deps, template)
    if (verdict !== 'does-not-pay') return true
    const { version } = template
    if (!refused.has(version))
      deps.log({ level: 'info', message: `not internalized: ${reason}`, data: { version } })
    refused.add(version)
    return false
  }
}

/** What a person asked for is done all the same. */
export const warnUnlessItPays = async (deps: Deps, template: Template): Promise<void> => {
  const { verdict, reason } = await assess(deps, template)
  if (verdict !== 'does-not-pay') return
  const { version } = template
  deps.log({ level: 'warn', message: `this does not pay: ${reason}`, data: { version } })
}
