import { Command } from 'commander'
import {
  liveStageOf,
  verdictOf,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import { stageName } from '../../../core/rollout/stages.ts'
import { approve } from '../../../lifecycle/approve.ts'
import { stageEntered } from '../../../core/internalization/change-reason.ts'
import { sayReason } from '../../../core/reasons/say-reason.ts'
import { withStore } from '../../context.ts'
import { noteText, trafficShare } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { chosen } from '../../rollout/rollout-of.ts'
import { readTitles } from '../../titles.ts'

interface PromoteOptions extends OutputOptions {
  now?: boolean
  share?: number
  reason?: string
}

const resultText = (row: Internalization, title: string, wasLive: boolean): string => {
  const { state } = row
  const stage = liveStageOf(row)
  const evidence = state.name === 'live' ? state.evidence : undefined
  const is = `template ${title} is live, ${stageName(stage)}`
  if (evidence !== undefined)
    return `template ${title} enters ${stageName(stage)}: ${sayReason(stageEntered(evidence)).says}`
  return wasLive ? is : `${is}: ${sayReason(verdictOf(row).reason).says}`
}

const promote = (wanted: string, options: PromoteOptions): Promise<void> =>
  withStore(async (store, { rollout }) => {
    const row = await chosen(store, wanted, ['approval', 'live'])
    const approval = { isForced: options.now === true, share: options.share }
    const wasLive = row.state.name === 'live'
    const context = { by: 'cli', now: Date.now(), rollout, note: options.reason }
    const live = await approve(store, row, approval, context)
    if (options.json) return print(live)
    print(resultText(live, (await readTitles(store)).title(live.templateVersion), wasLive))
  })

export const promoteCommand = (): Command =>
  new Command('promote')
    .description(
      'make an internalization that passed the gate live, let a live one enter the next stage of its rollout, ' +
        'or pause it and end the pause; it takes effect within two seconds'
    )
    .argument(
      '<template>',
      'id, or its start, of an internalization or a template; a template stands for its newest internalization'
    )
    .option('--now', 'enter the next stage without waiting for its evidence and time')
    .option(
      '--share <share>',
      'enter the stage with this share of the traffic; 0 is a pause: the upstream answers and audits continue, ' +
        'until the command without a share brings the share before back',
      trafficShare
    )
    .option('--reason <text>', 'stored in the history', noteText)
    .option('--json', 'print JSON')
    .action(promote)
