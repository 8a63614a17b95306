/** Before training: does the internalization pay? The worker starts on its own only those that may. */
import type { TemplateEconomics } from '../../core/cost/template-economics.ts'
import type { Template } from '../../core/template/template.ts'
import type { WorkerDeps } from '../deps.ts'
import { valueIn } from '../../core/lists.ts'

type Deps = Pick<WorkerDeps, 'economics' | 'log'>

const assess = async ({ economics }: Deps, template: Template): Promise<TemplateEconomics> =>
  valueIn(await economics.assess([template]), template.version)

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
