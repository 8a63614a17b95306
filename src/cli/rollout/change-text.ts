/** Renders changes around a live route: other questions, and other models behind the upstream. Pure. */
import { meanLoss } from '../../core/rollout/evidence.ts'
import { INDICATORS } from '../../core/rollout/indicators.ts'
import { capitalText, type RolloutReport } from '../../lifecycle/rollout-report.ts'
import { table } from '../layout.ts'
import { minuteText } from '../../core/days.ts'
import { percent } from '../output.ts'

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
export const changeTables = (report: RolloutReport, width: number): string[] => [
  ...questionsTable(report, width),
  ...upstreamTable(report, width),
]

/** Warnings, in words. */
export const warningTexts = ({ drift, deprecatedOn }: RolloutReport): string[] => [
  ...(drift === null ? [] : [drift]),
  ...(deprecatedOn === null
    ? []
    : [`the provider retires the upstream's model on ${deprecatedOn}`]),
]
