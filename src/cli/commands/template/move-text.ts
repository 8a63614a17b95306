/** The report on a move to another model: one page to send to a colleague. Pure. */
import { dollars } from '../../../core/cost/economics.ts'
import type { Difference, ModelFigures } from '../../../core/move/move-report.ts'
import type { Moved } from '../../../worker/move.ts'
import { visibleName } from '../../../visible-text.ts'
import { percent, table } from '../../output.ts'

/** What `move --json` prints. */
export interface MoveView extends Moved {
  template: string
  from: string
  to: string
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

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const remarksOf = ({ failed, unsent, isFreeText, requests }: MoveView): string[] => [
  ...(isFreeText
    ? ['These answers are written text: two good ones are seldom equal, so look at examples.']
    : []),
  ...(failed > 0 ? [`${counted(failed, 'request')} had no answer, and are left out.`] : []),
  ...(unsent > 0
    ? [
        `The budget, or the upstream's answers, ended before ${counted(unsent, 'request')} of the sample: ${requests} are compared.`,
      ]
    : []),
]

export const moveText = (title: string, view: MoveView): string => {
  const { from, to, requests, agreement, agreementLower, agreementUpper, usd, differences } = view
  const rows = differences.slice(0, MAX_ROWS)
  const more = differences.length - rows.length
  return [
    `${title}: ${visibleName(from)} → ${visibleName(to)}`,
    '',
    `The new model agrees with the log in ${percent(agreement)} of ${counted(requests, 'request')} ` +
      `(95 % interval ${percent(agreementLower)} to ${percent(agreementUpper)}). The answers cost ${dollars(usd)}.`,
    '',
    table([
      ['model', 'median latency', 'a million requests', 'characters'],
      cells(from, view.old),
      cells(to, view.new),
    ]),
    ...(rows.length === 0
      ? []
      : [
          '',
          table([
            ['requests', 'difference', 'log', 'new model'],
            ...rows.map(({ requests: count, kind, old, new: fresh }) => [
              count,
              KINDS[kind],
              visibleName(old),
              visibleName(fresh),
            ]),
          ]),
          ...(more > 0 ? [`and ${counted(more, 'further difference')} (--json)`] : []),
        ]),
    ...remarksOf(view).flatMap((remark) => ['', remark]),
  ].join('\n')
}
