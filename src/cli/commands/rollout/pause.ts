import { Command } from 'commander'
import { liveStageOf } from '../../../core/internalization/internalization.ts'
import { stageName } from '../../../core/rollout/stages.ts'
import { pause, resume } from '../../../lifecycle/pause.ts'
import { withStore } from '../../context.ts'
import { noteText } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { chosen, OF_LIVE } from '../../rollout/rollout-of.ts'
import { readTitles } from '../../titles.ts'

interface PauseOptions extends OutputOptions {
  reason?: string
}

const command = (name: string, decide: typeof pause, description: string): Command =>
  new Command(name)
    .description(`${description}; it takes effect within two seconds`)
    .argument('<template>', OF_LIVE)
    .option('--reason <text>', 'stored in the history', noteText)
    .option('--json', 'print JSON')
    .action((wanted: string, { reason, json }: PauseOptions) =>
      withStore(async (store, { rollout }) => {
        const row = await chosen(store, wanted, ['live'])
        const context = { by: 'cli', now: Date.now(), rollout, note: reason }
        const live = await decide(store, row, context)
        const stage = stageName(liveStageOf(live))
        if (json) return print(live)
        const titles = await readTitles(store)
        print(`template ${titles.title(live.templateVersion)} is live, ${stage}`)
      })
    )

export const pauseCommand = (): Command =>
  command(
    'pause',
    pause,
    'send all requests of a live lora to the upstream until it is resumed; audits continue'
  )

export const resumeCommand = (): Command =>
  command('resume', resume, 'end a pause: the lora answers its previous share again')
