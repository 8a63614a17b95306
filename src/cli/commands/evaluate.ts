import { Command } from 'commander'
import { AppError } from '../../errors.ts'
import { evaluate as evaluateInternalization } from '../../worker/internalize/evaluate.ts'
import { internalizationOf, withWorker } from '../context.ts'
import { print, type OutputOptions } from '../output.ts'
import { verdictText } from '../verdict-text.ts'

const evaluate = (id: string, options: OutputOptions): Promise<void> =>
  withWorker(
    async (deps) => {
      const internalization = await internalizationOf(deps.store, id)
      const { plan } = internalization
      if (plan === null || plan.arms.some((arm) => arm.results.length < arm.stages.length))
        throw new AppError(
          'invalid-state',
          `internalization ${id} is not trained yet: see promptintern status`
        )
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
    .description('evaluate a trained internalization with the current MARGIN; changes no state')
    .argument('<internalization>', 'id of the internalization')
    .option('--json', 'print JSON')
    .action(evaluate)
