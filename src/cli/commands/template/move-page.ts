/** The report on a move to another model as one HTML page, to be sent to a colleague. Pure. */
import { htmlDocument, htmlTable } from '../../scan/page/document.ts'
import { escapeHtml } from '../../scan/page/svg.ts'
import { visibleName } from '../../../visible-text.ts'
import {
  agreementLine,
  differenceRows,
  leftLine,
  modelRows,
  remarksOf,
  totalLine,
  type MovesView,
  type MoveView,
} from './move-text.ts'

const paragraph = (text: string, className: string): string =>
  text === '' ? '' : `<p class="${className}">${escapeHtml(text)}</p>`

const tableOf = ([header = [], ...rows]: string[][]): string => htmlTable(header, rows)

const sectionOf = (view: MoveView): string => {
  const differences = differenceRows(view)
  return [
    `<h2>${escapeHtml(view.title)}</h2>`,
    paragraph(agreementLine(view), 'remark'),
    tableOf(modelRows(view)),
    ...(differences === null ? [] : [tableOf(differences)]),
    ...remarksOf(view).map((remark) => paragraph(remark, 'remark')),
  ].join('\n')
}

/** @returns a whole HTML document */
export const movePage = (view: MovesView): string => {
  const title = `${visibleName(view.from)} → ${visibleName(view.to)}`
  return htmlDocument({
    title,
    script: null,
    body: [
      `<h1>A move to another model · promptintern move</h1>`,
      paragraph(title, 'lead'),
      paragraph(totalLine(view), 'faint'),
      ...view.templates.map(sectionOf),
      paragraph(leftLine(view), 'faint'),
    ].join('\n'),
  })
}
