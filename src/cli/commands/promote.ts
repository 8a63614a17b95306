import { Command } from 'commander'
import { AppError } from '../../errors.ts'
import { goLive } from '../../lifecycle/promote.ts'
import { withStore } from '../context.ts'
import { print, type OutputOptions } from '../output.ts'

const promote = (id: string, options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const internalization = await store.internalizations.get(id)
    if (internalization === null) throw new AppError('not-found', `no internalization ${id}`)
    const live = await goLive(store, internalization, {
      by: 'cli',
      now: Date.now(),
      trafficShare: config.internalize.trafficShare,
    })
    if (options.json) return print(live)
    print(`template ${live.templateVersion} is live: ${live.verdict!.reason}`)
  })

export const promoteCommand = (): Command =>
  new Command('promote')
    .description('let an internalization that passed the gate answer requests, within two seconds')
    .argument('<internalization>', 'its id')
    .option('--json', 'print JSON')
    .action(promote)
