import { Command } from 'commander'
import { goLive } from '../../lifecycle/promote.ts'
import { internalizationOf, withStore } from '../context.ts'
import { print, type OutputOptions } from '../output.ts'

const promote = (id: string, options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const live = await goLive(store, await internalizationOf(store, id), {
      by: 'cli',
      now: Date.now(),
      trafficShare: config.internalize.trafficShare,
    })
    if (options.json) return print(live)
    print(`template ${live.templateVersion} is live: ${live.verdict!.reason}`)
  })

export const promoteCommand = (): Command =>
  new Command('promote')
    .description(
      'make an internalization that passed the gate live; it takes effect within two seconds'
    )
    .argument('<internalization>', 'id of the internalization')
    .option('--json', 'print JSON')
    .action(promote)
