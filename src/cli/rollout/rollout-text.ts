/** Renders a rollout: a picture for terminals, and a line for each change. Pure. */
import { reasonText, sayReason } from '../../core/reasons/say-reason.ts'
import { capitalText, lossText } from '../../core/rollout/evidence-text.ts'
import { dollars } from '../../core/cost/economics.ts'
import { withheldBy } from '../../core/internalization/internalization.ts'
import { outcomeLines } from '../../core/outcomes/outcome-text.ts'
import { meanLoss } from '../../core/rollout/evidence.ts'
import { PAIR_OUTCOMES } from '../../core/rollout/pair.ts'
import { resumedStage, stageName, type EvidenceFigures } from '../../core/rollout/stages.ts'
import { coverageText, gainText, type RolloutReport } from '../../lifecycle/rollout-report.ts'
import { wrap, table } from '../layout.ts'
import { minuteText } from '../../core/days.ts'
import { percent } from '../output.ts'
import { evidenceBar, lossPicture } from './bars.ts'
import type { RolloutView } from './rollout-view.ts'
import { INDICATORS } from '../../core/rollout/indicators.ts'

/** The newest ones are shown. */
const MAX_VERSIONS = 4

const questionsTable = (
  { indicators, rollbackCapital }: RolloutReport,
  width: number
): string[] => {
  if (indicators.length === 0) return []
  const deciding = rollbackCapital * INDICATORS.length
  return [
    table(
      [
        ['questions', 'now', 'in the proof', 'at most', 'evidence'],
        ...indicators.map(({ indicator, requests, seen, share, bound, evidence }) => [
          indicator,
          requests === 0 ? '' : percent(seen / requests),
          percent(share),
          percent(bound),
          `${capitalText(evidence)} of ${deciding}`,
        ]),
      ],
      width
    ),
  ]
}

/** Nothing while there is only one model. */
const upstreamTable = ({ upstreamVersions }: RolloutReport, width: number): string[] => {
  if (upstreamVersions.length < 2) return []
  return [
    table(
      [
        ['upstream', 'first seen', 'pairs', 'loss'],
        ...upstreamVersions
          .slice(-MAX_VERSIONS)
          .map(({ name, from, ...counts }) => [
            name,
            minuteText(from),
            counts.pairs,
            counts.pairs === 0 ? '' : percent(meanLoss(counts)),
          ]),
      ],
      width
    ),
  ]
}

/** One table for each kind of change that the report knows of. */
const changeTables = (report: RolloutReport, width: number): string[] => [
  ...questionsTable(report, width),
  ...upstreamTable(report, width),
]

/** Warnings, in words. */
const warningTexts = ({ drift, deprecatedOn }: RolloutReport): string[] => [
  ...(drift === null ? [] : [sayReason(drift).says]),
  ...(deprecatedOn === null
    ? []
    : [`the provider retires the upstream's model on ${deprecatedOn}`]),
]

/** Columns of labels and pictures: with the longest figures a line fits 80 columns. */
const LABEL = 12
const LOSS_CELLS = 30
const EVIDENCE_CELLS = 23

/** A capital that a person has set. */
const limitText = (capital: number): string => String(Number(capital.toPrecision(3)))

const stageText = ({ stages, progress }: RolloutView): string => {
  if (progress?.stage.isPaused) return `[paused] ${stages.join(' → ')}`
  const present = progress && stageName(progress.stage)
  return stages.map((name) => (name === present ? `[${name}]` : name)).join(' → ')
}

const nextText = ({ state, progress, report, steps, shown }: RolloutView): string => {
  if (progress === null)
    return state.name === 'retired' ? `retired: ${sayReason(state.reason).says}` : state.name
  const { stage, next, evidence, waitsFor, mayStep } = progress
  if (stage.isPaused) return `${stageName(resumedStage(stage))}: promptintern promote ${shown.id}`
  if (report === null || evidence === null)
    return 'no figures yet; the worker computes them while the proxy runs'
  if (next === null) return `none; rolled back at evidence ${limitText(report.rollbackCapital)}`
  const name = stageName(next)
  if (mayStep)
    return steps ? `${name}, begins shortly` : `${name}: promptintern promote ${shown.id}`
  const found =
    `${name} at evidence ${limitText(report.stepCapital)}, now ${capitalText(evidence.step)} ` +
    `after ${evidence.stagePairs} conversations`
  return [found, ...waitsFor.map(reasonText)].join('; ')
}

const auditsText = ({ outcomes, waiting, dropped, auditPart }: RolloutReport): string =>
  PAIR_OUTCOMES.filter((name) => outcomes[name] > 0)
    .map((name) => `${outcomes[name]} ${name}, `)
    .join('') +
  `${waiting} waiting, ${dropped} dropped` +
  (auditPart < 1 ? `; ${percent(auditPart)} of the audits are carried out` : '')

const bordersText = ({ border, stepCapital }: RolloutReport): string[] => {
  const text = border && coverageText(border, limitText(stepCapital))
  return text == null ? [] : [text]
}

const gainTexts = ({ coverageSteps }: RolloutView): string[] => {
  const text = gainText(coverageSteps)
  return text === null ? [] : [`since the proof ${text}`]
}

/** Each part that it no longer answers: `card_arrival: 14 of 15 wrong`, `requests plan=pro: …`. */
const withheldTexts = ({ state }: RolloutView): string[] =>
  withheldBy(state).map(
    ({ kind, name, losses, pairs }) =>
      `${kind === 'answer' ? '' : 'requests '}${name}: ${losses} of ${pairs} wrong`
  )

const spentText = ({ spentUsdToday, auditUsdPerDay }: RolloutReport): string => {
  const limit =
    auditUsdPerDay === null ? 'no limit' : `the limit is ${dollars(auditUsdPerDay)} a day`
  return `${dollars(spentUsdToday)} for audits of all templates; ${limit}`
}

const lossLines = (evidence: EvidenceFigures): string[] => {
  const { pairs, interval, margin, proven } = evidence
  const mean = pairs === 0 ? null : meanLoss(evidence)
  const { bar, marks, scale } = lossPicture({ interval, mean, proven, margin }, LOSS_CELLS)
  const legend =
    proven < margin
      ? `proved ${percent(proven)}, margin ${percent(margin)}`
      : `margin ${percent(margin)}`
  return [
    lossText(evidence),
    `|${bar}| 0 to ${percent(scale)}`,
    ` ${marks.padEnd(LOSS_CELLS)}  ${legend}`,
  ]
}

const evidenceText = (logarithm: number, decidingCapital: number): string =>
  `${evidenceBar(logarithm, decidingCapital, EVIDENCE_CELLS)} ${capitalText(logarithm)} of ${limitText(decidingCapital)}`

type Labelled = [label: string, value: string]

const evidenceLines = (
  { step, rollback, drift }: EvidenceFigures,
  { rollbackCapital, stepCapital, driftedAt }: RolloutReport,
  hasNext: boolean
): Labelled[] => {
  const since = driftedAt === null ? '' : `, since ${minuteText(driftedAt)}`
  const stepLine: Labelled = ['step', evidenceText(step, stepCapital)]
  return [
    ['rollback', evidenceText(rollback, rollbackCapital)],
    ...(hasNext ? [stepLine] : []),
    ['drift', evidenceText(drift, rollbackCapital) + since],
  ]
}

/** @param width columns; only words that are longer pass it */
export const rolloutText = (view: RolloutView, width: number): string => {
  const { shown, lora, progress, report } = view
  const evidence = progress?.evidence ?? report?.evidence ?? null
  const field = (label: string, value: string): string =>
    label.padEnd(LABEL) + wrap(value, width - LABEL).replaceAll('\n', `\n${' '.repeat(LABEL)}`)
  const head = [
    field('template', shown.title),
    field('lora', lora),
    field('stage', stageText(view)),
    field('next', nextText(view)),
    ...(report === null
      ? []
      : [
          field('audits', auditsText(report)),
          ...bordersText(report).map((text) => field('answers', text)),
          ...gainTexts(view).map((text) => field('changes', text)),
          ...withheldTexts(view).map((text) => field('withheld', text)),
          field('cost today', spentText(report)),
          ...warningTexts(report).map((text) => field('warning', text)),
        ]),
  ]
  const pictures =
    report === null || evidence === null
      ? []
      : [
          lossLines(evidence)
            .map((line, index) => field(index === 0 ? 'loss' : '', line))
            .join('\n'),
          evidenceLines(evidence, report, (progress?.next ?? null) !== null)
            .map(([label, value]) => field(label, value))
            .join('\n'),
        ]
  const users =
    report === null
      ? []
      : [
          [
            ...outcomeLines(report.feedback),
            ...(report.feedback.blocks === 0
              ? []
              : [evidenceText(report.feedback.rollback, report.rollbackCapital)]),
          ]
            .map((line, index) => field(index === 0 ? 'users' : '', line))
            .join('\n'),
        ]
  const changes = report === null ? [] : changeTables(report, width)
  return [head.join('\n'), ...pictures, ...users, ...changes].join('\n\n')
}

/** At most four characters, so that lines of a log stay short. */
const shortCapital = (logarithm: number): string => {
  const capital = Math.exp(logarithm)
  if (capital >= 1000) return '>999'
  return capital.toFixed(capital >= 10 ? 0 : capital >= 1 ? 1 : 2)
}

/** The present state without its time, in at most 64 columns; only a reason may be longer. */
export const rolloutLine = ({ state, progress, report }: RolloutView): string => {
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
export const timedLine = (view: RolloutView, at: number): string =>
  `${minuteText(at)} ${rolloutLine(view)}`

/** The same for programs. @param at milliseconds since the epoch */
export const rolloutJson = (view: RolloutView, at: number): object => {
  const { progress, internalization, template, shown, lora, state, report } = view
  return {
    at,
    internalization,
    template,
    name: shown.name,
    lora,
    state: state.name,
    stage: progress && stageName(progress.stage),
    next: progress?.next ? stageName(progress.next) : null,
    waitsFor: progress?.waitsFor ?? [],
    mayStep: progress?.mayStep ?? false,
    reason: state.name === 'retired' ? state.reason : null,
    evidence: progress?.evidence ?? report?.evidence ?? null,
    report,
    coverageSteps: view.coverageSteps,
  }
}
