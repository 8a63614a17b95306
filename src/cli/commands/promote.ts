import { Command } from 'commander'
import type { Internalization } from '../../core/lifecycle/internalization.ts'
import { AppError } from '../../errors.ts'
import { goLive } from '../../lifecycle/promote.ts'
import type { Store } from '../../store/store.ts'
import { withStore } from '../context.ts'
import { print, type OutputOptions } from '../output.ts'

/** By its own id, or the newest one of a template. @throws AppError `not-found`, `invalid-state` */
const chosen = async (store: Store, wanted: string): Promise<Internalization> => {
  const own = await store.internalizations.get(wanted)
  if (own !== null) return own
  if ((await store.templates.get(wanted)) === null)
    throw new AppError(
      'not-found',
      `${wanted} is neither a template nor an internalization: promptintern status lists the templates`
    )
  const newest = (await store.internalizations.list()).findLast(
    ({ templateVersion }) => templateVersion === wanted
  )
  if (newest === undefined)
    throw new AppError(
      'invalid-state',
      `template ${wanted} has no internalization yet: run promptintern internalize ${wanted}`
    )
  return newest
}

const promote = (wanted: string, options: OutputOptions): Promise<void> =>
  withStore(async (store, config) => {
    const live = await goLive(store, await chosen(store, wanted), {
      by: 'cli',
      now: Date.now(),
      rollout: config.rollout,
    })
    if (options.json) return print(live)
    print(`template ${live.templateVersion} is live: ${live.verdict!.reason}`)
  })

export const promoteCommand = (): Command =>
  new Command('promote')
    .description(
      'make an internalization that passed the gate live; it takes effect within two seconds'
    )
    .argument('<template>', 'template version, for its newest internalization; or the id of one')
    .option('--json', 'print JSON')
    .action(promote)
