/** Renders a rollout: all that is known of it, and a line for each change. Pure. */
import { minuteText } from '../../core/days.ts'
import {
  winningLora,
  withheldBy,
  type Internalization,
} from '../../core/internalization/internalization.ts'
import { compact } from '../../core/lists.ts'
import { outcomeLines } from '../../core/outcomes/outcome-text.ts'
import { sayReason } from '../../core/reasons/say-reason.ts'
import { meanLoss } from '../../core/rollout/evidence.ts'
import { stageName, type RolloutSettings } from '../../core/rollout/stages.ts'
import {
  gainText,
  readyFor,
  rolloutProgress,
  type RolloutProgress,
  type RolloutReport,
} from '../../lifecycle/rollout-report.ts'
import { percent } from '../../core/figure-text.ts'
import type { InternalizationView } from '../../views/internalization.ts'
import { rolloutFacts, rolloutTables, sayDeprecation, sayLoss } from '../../views/say-rollout.ts'
import { sayState, stateWords } from '../../views/say-state.ts'
import { table } from '../output.ts'
import { factsText } from '../verdict-text.ts'

export interface ShownRollout {
  view: InternalizationView
  /** as people are shown the template, and commands take it */
  shown: { id: string; title: string }
  /** the upstream's */
  model: string
  settings: RolloutSettings
}

/** What a person may do now, as a command. */
export const stepTexts = (id: string, progress: RolloutProgress | null): string[] => {
  if (progress === null) return []
  const next = readyFor(progress)
  if (progress.stage.isPaused) return [`to end the pause, run: promptintern promote ${id}`]
  return next !== null ? [`for ${stageName(next)}, run: promptintern promote ${id}`] : []
}

const reportTexts = (
  report: RolloutReport,
  progress: RolloutProgress | null,
  { view, model }: ShownRollout
): string[] => {
  const gained = gainText(view.coverageSteps)
  const withheld = withheldBy(view.state)
  return [
    compact([
      sayLoss(progress?.evidence ?? report.evidence, model),
      gained !== null && `Since the proof: ${gained}.`,
      sayDeprecation(report),
      ...outcomeLines(report.feedback),
    ]).join('\n'),
    table([
      ['figure', 'value', ''],
      ...rolloutFacts(report, progress).map(({ name, value, note }) => [name, value, note]),
    ]),
    ...rolloutTables(report, { withheld, isJudged: view.judge !== null }).map(factsText),
  ]
}

export const rolloutText = (rollout: ShownRollout): string => {
  const { view, shown, model, settings } = rollout
  const report = view.rollout
  const progress = rolloutProgress(view, report, settings)
  const { says, reason } = sayState({
    row: view,
    model,
    rollout: settings,
    report,
    progress: view.progress,
    by: view.history.at(-1)?.by ?? 'worker',
  })
  return compact([
    table([
      ['template', 'lora', 'state'],
      [shown.title, winningLora(view) ?? '', stateWords(view.state)],
    ]),
    compact([...says, reason]).join('\n'),
    report === null
      ? 'no figures yet; the worker computes them while the proxy runs'
      : reportTexts(report, progress, rollout).join('\n\n'),
    ...stepTexts(shown.id, settings.steps && !progress?.stage.isPaused ? null : progress),
  ]).join('\n\n')
}

/** At most four characters, so that lines of a log stay short. */
const shortCapital = (logarithm: number): string => {
  const capital = Math.exp(logarithm)
  if (capital >= 1000) return '>999'
  return capital.toFixed(capital >= 10 ? 0 : capital >= 1 ? 1 : 2)
}

type Followed = Pick<Internalization, 'state'> & { rollout: RolloutReport | null }

/** The present state without its time, in at most 64 columns; only a reason may be longer. */
export const rolloutLine = (
  { state, rollout: report }: Followed,
  settings: Pick<RolloutSettings, 'stages'>
): string => {
  const progress = rolloutProgress({ state }, report, settings)
  if (progress === null)
    return state.name === 'retired' ? `retired: ${sayReason(state.reason).says}` : state.name
  const { stage, next, evidence } = progress
  if (report === null || evidence === null) return `${stageName(stage)} no figures yet`
  const { pairs, rollback, step, drift } = evidence
  const showsDrift = next === null || report.driftedAt !== null
  return [
    stageName(stage),
    `pairs ${pairs}`,
    ...(pairs === 0 ? [] : [`loss ${percent(meanLoss(evidence))}`]),
    `rollback ${shortCapital(rollback)}`,
    showsDrift ? `drift ${shortCapital(drift)}` : `step ${shortCapital(step)}`,
  ].join(' ')
}

/** @param at milliseconds since the epoch */
export const timedLine = (
  view: Followed,
  settings: Pick<RolloutSettings, 'stages'>,
  at: number
): string => `${minuteText(at)} ${rolloutLine(view, settings)}`
