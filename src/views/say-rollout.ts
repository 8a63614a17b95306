/** What happens on approval, and how a live route does, in sentences, figures and tables: page and terminal lay out the same. Pure. */
import { minuteText } from '../core/days.ts'
import type { Internalization } from '../core/internalization/internalization.ts'
import { compact } from '../core/lists.ts'
import { reasonText, sayReason, sentenceOf } from '../core/reasons/say-reason.ts'
import { meanLoss } from '../core/rollout/evidence.ts'
import { capitalText, lossText } from '../core/rollout/evidence-text.ts'
import { INDICATORS, type Indicator, type IndicatorFigures } from '../core/rollout/indicators.ts'
import { PAIR_OUTCOMES, type PairOutcome } from '../core/rollout/pair.ts'
import {
  firstShare,
  resumedStage,
  trafficShares,
  type EvidenceFigures,
  type RolloutSettings,
  type RolloutStage,
} from '../core/rollout/stages.ts'
import type { WithheldPart } from '../core/rollout/withheld.ts'
import {
  stageProgress,
  type RolloutProgress,
  type RolloutReport,
} from '../lifecycle/rollout-report.ts'
import { numbers, type Fact, type FactCell, type FactTable, type Tone } from './facts.ts'
import { percent, shortPercent, usd, whole } from '../core/figure-text.ts'

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

/** @returns null where no day is known */
export const sayDeprecation = ({ deprecatedOn }: RolloutReport): string | null =>
  deprecatedOn === null ? null : `The provider retires the upstream’s model on ${deprecatedOn}.`

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

const evidenceFact = (name: string, logarithm: number, needed: number): Fact => ({
  name,
  value: capitalText(logarithm),
  note: `decides at ${whole(needed)}`,
})

const lossNote = (evidence: EvidenceFigures): string => {
  const { pairs, losses, credits } = evidence
  const found = `${Number(losses.toFixed(1))} disagree`
  const credited = credits === 0 ? '' : `, ${Number(credits.toFixed(1))} credits`
  return found + credited + (pairs === 0 ? '' : `, ${percent(meanLoss(evidence))}`)
}

const borderFact = (
  { coverage, next }: RolloutReport['border'],
  stepCapital: number
): Fact | null =>
  coverage === null
    ? null
    : {
        name: 'Sure enough to answer',
        value: percent(coverage),
        note:
          next === null
            ? 'of the audited requests'
            : `next ${percent(next.coverage)}: evidence ${capitalText(next.evidence.capital)} of ${whole(stepCapital)}`,
      }

/** @param progress null after the route has ended */
export const rolloutFacts = (report: RolloutReport, progress: RolloutProgress | null): Fact[] => {
  const { rollbackCapital, stepCapital, border, feedback, waiting, dropped } = report
  const { spentUsdToday, auditUsdPerDay, auditPart } = report
  const evidence = progress?.evidence ?? report.evidence
  return compact([
    {
      name: 'Conversations compared',
      value: whole(evidence.pairs),
      note: lossNote(evidence),
    },
    evidenceFact('Evidence for a rollback', evidence.rollback, rollbackCapital),
    progress != null &&
      progress.next !== null &&
      evidenceFact('Evidence for the next stage', evidence.step, stepCapital),
    evidenceFact('Evidence that the traffic changed', evidence.drift, rollbackCapital),
    feedback.blocks > 0 &&
      evidenceFact('Evidence of users for a rollback', feedback.rollback, rollbackCapital),
    borderFact(border, stepCapital),
    {
      name: 'Audits that wait',
      value: whole(waiting),
      note: dropped === 0 ? 'for the small model’s answer' : `${whole(dropped)} were dropped`,
    },
    {
      name: 'Audits today, all templates',
      value: usd(spentUsdToday),
      note: auditUsdPerDay === null ? 'no limit' : `of ${usd(auditUsdPerDay)} a day`,
    },
    auditPart < 1 && {
      name: 'Share of the audits carried out',
      value: percent(auditPart),
      note: 'reduced by the audit budget or a busy engine',
    },
  ])
}

export const PAIR_WORDS: Record<PairOutcome, { tone: Tone; name: string }> = {
  agreed: { tone: 'good', name: 'agrees' },
  disagreed: { tone: 'bad', name: 'disagrees' },
  'upstream-differs': {
    tone: 'plain',
    name: 'disagrees; a second answer of the upstream differs, too',
  },
  'second-agrees': { tone: 'good', name: 'disagrees, and a second answer of the upstream agrees' },
  'draft-agreed': { tone: 'plain', name: 'agrees, but was not sure enough to be sent' },
  'draft-disagreed': { tone: 'plain', name: 'disagrees, and was not sure enough to be sent' },
  withheld: { tone: 'plain', name: 'one that the route no longer gives to such a request' },
  fallback: { tone: 'plain', name: 'none' },
  refused: { tone: 'bad', name: 'the upstream refused the next turn' },
  unusable: { tone: 'plain', name: 'no pair' },
}

/** Of a judged route: the judge says what agrees. */
const JUDGED_NAMES: Partial<Record<PairOutcome, string>> = {
  agreed: 'the judge accepts it',
  disagreed: 'the judge rejects it',
  'upstream-differs': 'the judge rejects it, and also a second answer of the upstream',
  'second-agrees': 'the judge accepts it, and rejects a second answer of the upstream',
  unusable: 'no pair, or no word of the judge',
}

export const outcomeName = (outcome: PairOutcome, isJudged: boolean): string =>
  (isJudged ? JUDGED_NAMES[outcome] : undefined) ?? PAIR_WORDS[outcome].name

const outcomesTable = (outcomes: RolloutReport['outcomes'], isJudged: boolean): FactTable => ({
  caption: 'Audited requests by outcome',
  columns: ['The small model’s answer', ...numbers('Requests')],
  rows: PAIR_OUTCOMES.map((outcome) => [outcomeName(outcome, isJudged), whole(outcomes[outcome])]),
})

const SIGNS: Record<Indicator, string> = {
  fallbacks: 'requests that it would not answer',
  'low-confidence': 'answers with a confidence below the median of the proof',
  'long-questions': 'questions longer than the 90th percentile of the proof',
  'new-labels': 'answers of the upstream with a new label',
}

const signCell = (
  { evidence, requests, seen, bound }: IndicatorFigures,
  deciding: number
): FactCell => {
  if (evidence >= Math.log(deciding)) return { tone: 'bad', text: 'has risen' }
  return requests > 0 && seen / requests <= bound
    ? { tone: 'good', text: 'as in the proof' }
    : { tone: 'waits', text: 'not shown to have risen' }
}

const indicatorsTable = (indicators: IndicatorFigures[], deciding: number): FactTable => ({
  caption: 'Signs that the questions have changed since the proof',
  columns: [
    'Share of the audited requests',
    ...numbers(
      'Now',
      'In the proof',
      'Expected at most',
      `Evidence (decides at ${whole(deciding)})`
    ),
    'Verdict',
  ],
  rows: indicators.map((figures) => {
    const { indicator, seen, requests, share, bound, evidence } = figures
    return [
      SIGNS[indicator],
      requests === 0 ? '' : percent(seen / requests),
      percent(share),
      percent(bound),
      capitalText(evidence),
      signCell(figures, deciding),
    ]
  }),
})

const versionsTable = (versions: RolloutReport['upstreamVersions']): FactTable => ({
  caption: 'Models that answered for the upstream, the newest first',
  columns: ['Model', 'First seen', 'Last seen', ...numbers('Compared', 'Disagree')],
  rows: versions
    .toReversed()
    .map(({ name, from, to, ...counts }) => [
      name,
      minuteText(from),
      minuteText(to),
      whole(counts.pairs),
      counts.pairs === 0 ? '' : percent(meanLoss(counts)),
    ]),
})

const withheldTable = (withheld: readonly WithheldPart[]): FactTable => ({
  caption: 'What it no longer answers, because it was wrong too often',
  columns: ['Part', ...numbers('Compared', 'Disagree')],
  rows: withheld.map(({ kind, name, ...counts }) => [
    kind === 'answer' ? name : `requests: ${name}`,
    whole(counts.pairs),
    percent(meanLoss(counts)),
  ]),
})

/** Withheld answers, outcomes of audits, signs of change and versions, but for tables without a row. */
export const rolloutTables = (
  { outcomes, indicators, rollbackCapital, upstreamVersions }: RolloutReport,
  { withheld, isJudged }: { withheld: readonly WithheldPart[]; isJudged: boolean }
): FactTable[] =>
  [
    withheldTable(withheld),
    outcomesTable(outcomes, isJudged),
    indicatorsTable(indicators, rollbackCapital * INDICATORS.length),
    versionsTable(upstreamVersions),
  ].filter(({ rows }) => rows.length > 0)
