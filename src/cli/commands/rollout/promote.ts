import { capitalText } from '../../../core/rollout/evidence-text.ts'
import { Command } from 'commander'
import type { Config } from '../../../config/config.ts'
import {
  liveStageOf,
  verdictOf,
  type Internalization,
} from '../../../core/internalization/internalization.ts'
import { isMore, stageName } from '../../../core/rollout/stages.ts'
import { shortId } from '../../../core/template/name.ts'
import { AppError } from '../../../errors.ts'
import { approve, type Approval } from '../../../lifecycle/approve.ts'
import { stageEntered } from '../../../core/internalization/change-reason.ts'
import { reasonText, sayReason } from '../../../core/reasons/say-reason.ts'
import type { Store } from '../../../store/store.ts'
import { withStore } from '../../context.ts'
import { noteText, trafficShare } from '../../options.ts'
import { print, type OutputOptions } from '../../output.ts'
import { chosen, rolloutOf, type Rollout } from '../../rollout/rollout-of.ts'
import { readTitles } from '../../titles.ts'

interface PromoteOptions extends OutputOptions {
  now?: boolean
  share?: number
  reason?: string
}

const tooEarly = ({ progress, report }: Rollout, { rollout }: Config): AppError => {
  const { stagePairs, step } = progress?.evidence ?? { stagePairs: 0, step: 0 }
  const needed = report?.stepCapital ?? rollout.stepCapital
  const missing = [
    `the evidence is ${capitalText(step)} after ${stagePairs} conversations, and ${needed} is needed`,
    ...(progress?.waitsFor ?? []).map(reasonText),
  ]
  return new AppError('invalid-state', `${missing.join('; ')}: wait, or use --now`)
}

/** @throws AppError `invalid-state` without the evidence for the stage, and where it is there already */
const checkStep = async (
  store: Store,
  row: Internalization,
  config: Config,
  { isForced, share }: Approval
): Promise<void> => {
  const rollout = await rolloutOf(store, row, config.rollout)
  // the approval has its own words for a pause
  if (rollout.progress === null || rollout.progress.stage.isPaused) return
  const { stage, next, mayStep } = rollout.progress
  const isLast = share === undefined && next === null
  if (isLast || share === stage.share)
    throw new AppError(
      'invalid-state',
      `internalization ${shortId(row.id)} is already in ${isLast ? 'the last stage of its rollout' : 'this stage'}, ` +
        stageName(stage)
    )
  const isLess = share !== undefined && !isMore(share, stage)
  if (!isLess && !mayStep && !isForced) throw tooEarly(rollout, config)
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
  withStore(async (store, config) => {
    const row = await chosen(store, wanted, ['approval', 'live'])
    const approval = { isForced: options.now === true, share: options.share }
    // one that is not live needs no evidence
    const wasLive = row.state.name === 'live'
    if (wasLive && options.share !== 0) await checkStep(store, row, config, approval)
    const { rollout } = config
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
