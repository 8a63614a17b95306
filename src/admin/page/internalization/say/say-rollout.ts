/** What happens on approval, and how a live route does, in sentences for a person who decides. Pure. */
import { reasonText, sayReason, sentenceOf } from '../../../../core/reasons/say-reason.ts'
import { capitalText, lossText } from '../../../../core/rollout/evidence-text.ts'
import type {
  Internalization,
  InternalizationState,
} from '../../../../core/internalization/internalization.ts'
import {
  firstShare,
  resumedStage,
  trafficShares,
  type RolloutSettings,
  type RolloutStage,
} from '../../../../core/rollout/stages.ts'
import {
  stageProgress,
  type RolloutProgress,
  type RolloutReport,
} from '../../../../lifecycle/rollout-report.ts'
import { percent, shortPercent } from '../../../../views/format.ts'
import { said, type Said } from './said.ts'

const TAKES_BACK = 'If its answers break the promise, the route is rolled back automatically.'

const laterStages = ({ stages, steps, minHours }: RolloutSettings): string => {
  const later = stages.slice(1).map(shortPercent).join(', then ')
  const opened = steps
    ? 'The next stages begin automatically when there is enough evidence'
    : 'You approve the next stages when there is enough evidence'
  const time = minHours === 0 ? '' : `, each after ${minHours} hours at the earliest`
  return later === '' ? '' : `${opened}${time}: ${later}.`
}

/** What a stage with this share of the traffic means. It begins with `it`. */
export const sayStage = (share: number, rollout: RolloutSettings, model: string): string => {
  const { trafficShare, auditShare } = trafficShares({ share }, rollout)
  if (share === 0) return `it answers nothing: ${model} answers, and both answers are compared.`
  const asked = `it is asked for ${shortPercent(trafficShare)} of the requests.`
  if (share < 1) return `${asked} ${model} answers the others, and both answers are compared.`
  return auditShare === 0
    ? `${asked} No answers are compared afterwards, so the route is not monitored.`
    : `${asked} ${shortPercent(auditShare)} stay with ${model}, and both answers are compared.`
}

/** What happens on approval. */
export const sayApproval = (rollout: RolloutSettings, model: string): string => {
  const share = firstShare(rollout)
  const isWatched = share < 1 || rollout.auditShare > 0
  return [
    `After approval ${sayStage(share, rollout, model)}`,
    laterStages(rollout),
    isWatched ? TAKES_BACK : '',
  ]
    .filter((text) => text !== '')
    .join(' ')
}

const capital = (value: number): string => String(Number(value.toPrecision(3)))

const sayNext = (
  { next, mayStep, waitsFor, evidence }: RolloutProgress,
  { steps, stepCapital }: RolloutSettings
): string => {
  if (next === null) return `This is the last stage. ${TAKES_BACK}`
  const name = shortPercent(next.share)
  if (mayStep)
    return steps
      ? `There is enough evidence for the next stage, ${name}: it begins shortly.`
      : `There is enough evidence for the next stage, ${name}: you can approve it.`
  const now = evidence === null ? 'there is none yet' : `it is ${capitalText(evidence.step)} now`
  const found = [
    `needs evidence of ${capital(stepCapital)}`,
    now,
    ...waitsFor.map(reasonText),
  ].join('; ')
  return `The next stage, ${name}, ${found}. ${TAKES_BACK}`
}

export interface LiveSituation {
  row: Internalization
  /** the upstream's */
  model: string
  rollout: RolloutSettings
  report: RolloutReport | null
}

/** @param evidence null before the worker has made a report */
export const sayLoss = (evidence: RolloutProgress['evidence'], model: string): string =>
  evidence === null || evidence.pairs === 0
    ? 'No answers were compared yet.'
    : `So far it disagrees with ${model} in ${lossText(evidence)}; the limit is ${percent(evidence.margin)}.`

/** What it does now, and what comes next. */
const sayCourse = (progress: RolloutProgress, { model, rollout, report }: LiveSituation) => {
  const { stage } = progress
  if (stage.isPaused)
    return {
      now: `A person has paused it: ${model} answers everything, and both answers are still compared.`,
      next: `When it is resumed, ${sayStage(resumedStage(stage).share, rollout, model)} ${TAKES_BACK}`,
    }
  const stepCapital = report?.stepCapital ?? rollout.stepCapital
  return {
    now: `Now ${sayStage(stage.share, rollout, model)}`,
    next: sayNext(progress, { ...rollout, stepCapital }),
  }
}

export const sayLive = (stage: RolloutStage, situation: LiveSituation): string[] => {
  const { rollout, report } = situation
  const { now, next } = sayCourse(stageProgress(stage, report, rollout), situation)
  const drift = report?.drift ?? null
  return [now, ...(drift === null ? [] : [`A warning: ${sentenceOf(sayReason(drift).says)}`]), next]
}

/** @param by who retired it, as the history says */
export const sayRetired = (
  { reason }: Extract<InternalizationState, { name: 'retired' }>,
  { model, by }: { model: string; by: string }
): Said => {
  const { says, helps } = sayReason(reason)
  switch (reason.code) {
    case 'replaced':
      return said(['A newer internalization replaced it.'])
    case 'rolled-back':
    case 'rated-worse':
      return said([sentenceOf(says), `${model} answers again.`], {
        helps: helps ? sentenceOf(helps) : null,
      })
    default:
      return said([`${by === 'worker' ? 'The worker' : 'A person'} took it out of service.`], {
        helps: 'It can be approved again, from the first stage on.',
        reason: says,
      })
  }
}
