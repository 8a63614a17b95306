import { Command } from 'commander'
import type { Internalization } from '../../../core/internalization/internalization.ts'
import { reject, retire } from '../../../lifecycle/promote.ts'
import { withStore } from '../../context.ts'
import { noteText } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { chosen } from '../../rollout/rollout-of.ts'
import { internalizationTitle, readTitles } from '../../titles.ts'

interface EndOptions extends OutputOptions {
  reason: string
}

interface End {
  description: string
  /** states of the internalization that a template stands for, the first one first */
  of: Internalization['state']['name'][]
  stands: string
  decide: typeof retire | typeof reject
  /** what follows, after "internalization 7b0fbb0e …" */
  became: string
}

/** Both are final, so that the history needs a reason, as on the page. */
const command = (name: string, { description, of, stands, decide, became }: End): Command =>
  new Command(name)
    .description(description)
    .argument(
      '<template>',
      `id, or its start, of an internalization or a template; a template stands for ${stands}`
    )
    .requiredOption('--reason <text>', 'stored in the history', noteText)
    .option('--json', 'print JSON')
    .action((wanted: string, { reason, json }: EndOptions) =>
      withStore(async (store, { rollout }) => {
        const row = await chosen(store, wanted, of)
        const ended = await decide(store, row, reason, { by: 'cli', now: Date.now(), rollout })
        if (json) return print(ended)
        print(`${internalizationTitle(ended, await readTitles(store))} is ${became}`)
      })
    )

export const rejectCommand = (): Command =>
  command('reject', {
    description: 'reject an internalization that is not live; it can never go live',
    of: ['approval', 'evaluating', 'candidate'],
    stands: 'the one that waits for approval',
    decide: reject,
    became: 'rejected',
  })

export const retireCommand = (): Command =>
  command('retire', {
    description:
      'take a live lora out of service; the lora that it replaced stays retired (rollback restores it); ' +
      'takes effect within two seconds',
    of: ['live'],
    stands: 'its live internalization',
    decide: retire,
    became: 'retired; its requests go to the upstream',
  })
