/** A table that scrolls by itself where the screen is narrow. */
import type { Child } from 'hono/jsx'

export interface Column {
  name: Child
  /** numbers stand on the right */
  isNumber?: boolean
  /** of its cells, for the style sheet */
  class?: string
}

/** Columns of numbers. */
export const numbers = (...names: string[]): Column[] =>
  names.map((name) => ({ name, isNumber: true }))

export interface TableProps {
  /** what the table shows; read by screen readers, and the name of the scrolled region */
  caption: string
  /** a text: the name of a column of texts */
  columns: (string | Column)[]
  /** of each row its cells; the first one is its heading */
  rows: Child[][]
  /** shown in place of a table without rows */
  empty?: string
  /** columns of one width */
  isEven?: boolean
  /** of the table, for the style sheet */
  class?: string
}

const classOf = ({ isNumber, class: own }: Partial<Column> = {}): string | undefined =>
  [isNumber === true && 'number', own].filter(Boolean).join(' ') || undefined

export const Table = ({ caption, rows, empty, isEven, class: own, ...props }: TableProps) => {
  if (rows.length === 0) return <p class="empty">{empty}</p>
  const columns = props.columns.map((each) => (typeof each === 'string' ? { name: each } : each))
  return (
    <div class="scroll" role="region" aria-label={caption} tabindex={0}>
      <table class={isEven === true ? 'even' : own}>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" class={classOf(column)}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([first, ...cells]) => (
            <tr>
              <th scope="row" class={classOf(columns[0])}>
                {first}
              </th>
              {cells.map((cell, at) => (
                <td class={classOf(columns[at + 1])}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
