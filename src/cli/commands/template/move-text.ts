/** The report on a move to another model, for a terminal. Pure. */
import { counted, dollars, percent } from '../../../core/figure-text.ts'
import type { Difference, ModelFigures } from '../../../core/move/move-report.ts'
import type { Moved } from '../../../worker/move/measure.ts'
import { visibleName } from '../../../visible-text.ts'
import { table } from '../../output.ts'
import { compact } from '../../../core/lists.ts'

/** What `move --json` prints of a template. */
export interface MoveView extends Moved {
  template: string
  /** what people know it by */
  title: string
  from: string
  to: string
  /** template of the new model, which follows this one; null: it is not followed */
  follower: string | null
  /** null where enough answers are bought, or none are */
  missing: number | null
}

/** What `move --from --json` prints. */
export interface MovesView {
  from: string
  to: string
  /** paid for all of them, US dollars */
  usd: number
  templates: MoveView[]
  /** titles of templates without a logged request, or that the budget did not reach */
  left: string[]
}

const KINDS: Record<Difference['kind'], string> = {
  label: 'another label',
  field: 'a member',
  format: 'another format',
  text: 'another text',
  outcome: 'no such answer',
  refused: 'refused',
}

const MAX_ROWS = 15

const cells = (name: string, { ms, usdPerMillion, chars }: ModelFigures): string[] => [
  visibleName(name),
  ms === null ? '?' : `${Math.round(ms)} ms`,
  usdPerMillion === null ? 'no price' : dollars(usdPerMillion),
  chars === null ? '?' : String(chars),
]

/** A header and a row for each model. */
const modelRows = ({ from, to, ...view }: MoveView): string[][] => [
  ['model', 'median latency', 'a million requests', 'characters'],
  cells(from, view.old),
  cells(to, view.new),
]

/** A header and the most frequent differences; null where there are none. */
const differenceRows = ({ differences }: MoveView): string[][] | null =>
  differences.length === 0
    ? null
    : [
        ['requests', 'difference', 'log', 'new model'],
        ...differences
          .slice(0, MAX_ROWS)
          .map(({ requests, kind, old, new: fresh }) => [
            String(requests),
            KINDS[kind],
            visibleName(old),
            visibleName(fresh),
          ]),
      ]

const titleOf = ({ title, from, to }: MoveView): string =>
  `${title}: ${visibleName(from)} → ${visibleName(to)}`

const agreementLine = (view: MoveView): string =>
  `The new model agrees with the log in ${percent(view.agreement)} of ${counted(view.requests, 'request')} ` +
  `(95 % interval ${percent(view.agreementLower)} to ${percent(view.agreementUpper)}). The answers cost ${dollars(view.usd)}.`

const followedLines = ({ to, bought, follower, missing }: MoveView): string[] => {
  if (bought === null) return []
  if (follower === null)
    return [`It is not followed: ${visibleName(to)} gave no answer to learn from.`]
  return compact([
    `It is followed: the log has ${counted(bought, 'answer')} of ${visibleName(to)}, of the template ${follower}.`,
    missing !== null && `An internalization needs ${counted(missing, 'more request')}.`,
  ])
}

/** What the figures leave out, and what happens next. */
const remarksOf = (view: MoveView): string[] => {
  const { failed, unsent, isFreeText, requests, differences } = view
  const more = differences.length - MAX_ROWS
  return compact([
    more > 0 && `and ${counted(more, 'further difference')} (--json)`,
    isFreeText &&
      'These answers are written text: two good ones are seldom equal, so look at examples.',
    failed > 0 && `${counted(failed, 'request')} had no answer, and are left out.`,
    unsent > 0 &&
      `The budget, or the upstream's answers, ended before ${counted(unsent, 'request')} of the sample: ${requests} are compared.`,
    ...followedLines(view),
  ])
}

export const moveText = (view: MoveView): string => {
  const differences = differenceRows(view)
  return compact([
    titleOf(view),
    agreementLine(view),
    table(modelRows(view)),
    differences !== null && table(differences),
    ...remarksOf(view),
  ]).join('\n\n')
}

const totalLine = ({ templates, usd }: MovesView): string =>
  `${counted(templates.length, 'template')}; all answers cost ${dollars(usd)}.`

/** '' where every template has figures. */
const leftLine = ({ left }: MovesView): string =>
  left.length === 0
    ? ''
    : `Without a logged request, or behind the end of the budget: ${left.join(', ')}.`

export const movesText = (view: MovesView): string =>
  [...view.templates.map(moveText), totalLine(view), leftLine(view)]
    .filter((part) => part !== '')
    .join('\n\n')
