import { Command } from 'commander'
import type { Verdict } from '../core/gate.ts'
import { AppError } from '../errors.ts'
import { evaluate as evaluateInternalization } from '../worker/evaluate.ts'
import { withWorker } from './context.ts'
import { percent, print, table, type OutputOptions } from './output.ts'

const verdictText = (verdict: Verdict): string =>
  [
    `${verdict.verdict}: ${verdict.reason}`,
    table([
      ['arm', 'rows', 'agreement', 'coverage', 'agreement answered', 'lower bound', 'threshold'],
      ...verdict.arms.map((arm, index) => [
        `${arm.arm}${index === verdict.arm ? ' *' : ''}`,
        String(arm.rows),
        percent(arm.agreement),
        percent(arm.coverage),
        percent(arm.agreementAnswered),
        percent(arm.agreementAnsweredBound),
        arm.threshold === null ? 'none' : `${arm.confidence} ≥ ${arm.threshold.toFixed(4)}`,
      ]),
    ]),
  ].join('\n')

const evaluate = (id: string, options: OutputOptions): Promise<void> =>
  withWorker(
    async (deps) => {
      const internalization = await deps.store.internalizations.get(id)
      if (internalization === null) throw new AppError('not-found', `no internalization ${id}`)
      const { plan } = internalization
      if (plan === null || plan.arms.some((arm) => arm.results.length < arm.stages.length))
        throw new AppError('invalid-state', `internalization ${id} is not trained yet`)
      const template = await deps.store.templates.get(internalization.templateVersion)
      const verdict = await evaluateInternalization(
        deps,
        deps.engine!,
        internalization,
        plan,
        template!
      )
      print(options.json ? verdict : verdictText(verdict))
    },
    { engine: 'needed' }
  )

export const evaluateCommand = (): Command =>
  new Command('evaluate')
    .description('judge a trained internalization with the present margin; changes no state')
    .argument('<internalization>', 'its id')
    .option('--json', 'print JSON')
    .action(evaluate)
