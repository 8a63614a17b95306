import { Command } from 'commander'
import { shortId } from '../../../core/template/name.ts'
import { rollBack } from '../../../lifecycle/promote.ts'
import { templateOf, withStore } from '../../context.ts'
import { print, type OutputOptions } from '../../output.ts'
import { internalizationTitle, readTitles } from '../../titles.ts'

interface RollbackOptions extends OutputOptions {
  reason: string
}

const rollback = (template: string, options: RollbackOptions): Promise<void> =>
  withStore(async (store, config) => {
    const { version } = await templateOf(store, template)
    const { retired, restored } = await rollBack(store, version, options.reason, {
      by: 'cli',
      now: Date.now(),
      rollout: config.rollout,
    })
    if (options.json) return print({ retired, restored })
    const now =
      restored === null
        ? 'its requests go to the upstream'
        : `${shortId(restored.id)} answers again`
    print(`${internalizationTitle(retired, await readTitles(store))} is retired; ${now}`)
  })

export const rollbackCommand = (): Command =>
  new Command('rollback')
    .description(
      'retire the live lora of a template and restore the one that it replaced, if any; takes effect within two seconds'
    )
    .argument('<template>', 'template version, or the start of it')
    .option('--reason <text>', 'stored in the history', 'rolled back by hand')
    .option('--json', 'print JSON')
    .action(rollback)
