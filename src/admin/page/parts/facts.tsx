/** Facts as the terminal has them, too, in a table of the page. */
import type { Child } from 'hono/jsx'
import { cellText, type FactCell, type FactTable } from '../../../views/facts.ts'
import { Badge } from './figures.tsx'
import { Table } from './table.tsx'
import { Line } from './text.tsx'

const shown = (cell: FactCell): Child =>
  typeof cell === 'string' ? <Line text={cell} /> : <Badge tone={cell.tone}>{cell.text}</Badge>

interface FactsProps {
  table: FactTable
  /** address of what the heading of a row leads to; absent: it is no link */
  linkOf?: (heading: FactCell) => string
  empty?: string
}

export const Facts = ({ table: { caption, columns, rows }, linkOf, empty }: FactsProps) => (
  <Table
    caption={caption}
    columns={columns.map((column) =>
      typeof column === 'string' ? column : { name: column.number, isNumber: true }
    )}
    rows={rows.map(([heading = '', ...cells]) => [
      linkOf === undefined ? shown(heading) : <a href={linkOf(heading)}>{shown(heading)}</a>,
      // digits need no isolation from the text around them
      ...cells.map((cell, at) =>
        typeof columns[at + 1] === 'string' ? shown(cell) : cellText(cell)
      ),
    ])}
    empty={empty}
  />
)
