import { saidBy } from '../../../core/reason.ts'
import { Command } from 'commander'
import { shortId } from '../../../core/template/name.ts'
import { AppError } from '../../../errors.ts'
import { takeBack, type TakenBack } from '../../../lifecycle/promote.ts'
import { withStore } from '../../context.ts'
import { noteText } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { chosen } from '../../rollout/rollout-of.ts'
import { internalizationTitle, readTitles } from '../../titles.ts'

interface RollbackOptions extends OutputOptions {
  reason?: string
  keepPreviousRetired: boolean
}

const outcomeText = ({ ended, restored }: TakenBack): string => {
  if (ended.state.name === 'rejected') return 'rejected'
  return restored === null
    ? 'retired; its requests go to the upstream'
    : `retired; ${shortId(restored.id)} answers again`
}

const rollback = (
  wanted: string,
  { reason, keepPreviousRetired, json }: RollbackOptions
): Promise<void> =>
  withStore(async (store, { rollout }) => {
    const row = await chosen(store, wanted, ['live', 'approval', 'evaluating', 'candidate'])
    const { name } = row.state
    // it can never go live, so that the history needs a reason, as on the page
    if (reason === undefined && name !== 'live' && name !== 'retired')
      throw new AppError(
        'invalid-request',
        `internalization ${shortId(row.id)} is ${name}: --reason says why it is rejected for good`
      )
    const taken = await takeBack(
      store,
      row,
      { reason: saidBy(reason), keepPreviousRetired },
      { by: 'cli', now: Date.now(), rollout }
    )
    if (json) return print(taken)
    print(`${internalizationTitle(taken.ended, await readTitles(store))} is ${outcomeText(taken)}`)
  })

export const rollbackCommand = (): Command =>
  new Command('rollback')
    .description(
      'retire a live lora and restore the one that it replaced, if any; takes effect within two seconds. ' +
        'An internalization that is not live is rejected: it can never go live'
    )
    .argument(
      '<template>',
      'id, or its start, of an internalization or a template; a template stands for its live internalization, ' +
        'or for its newest one'
    )
    .option('--keep-previous-retired', 'send its requests to the upstream instead', false)
    .option('--reason <text>', 'stored in the history; needed for a rejection', noteText)
    .option('--json', 'print JSON')
    .action(rollback)
