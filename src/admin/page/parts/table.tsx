/** A table that scrolls by itself where the screen is narrow. */
import type { Child } from 'hono/jsx'

export interface Column {
  name: Child
  /** numbers stand on the right */
  isNumber?: boolean
}

export interface TableProps {
  /** what the table shows; read by screen readers, and the name of the scrolled region */
  caption: string
  columns: Column[]
  /** of each row its cells; the first one is its heading */
  rows: Child[][]
  /** shown in place of a table without rows */
  empty: string
  /** columns of one width */
  isEven?: boolean
}

export const Table = ({ caption, columns, rows, empty, isEven }: TableProps) => {
  if (rows.length === 0) return <p class="empty">{empty}</p>
  const classOf = (at: number) => (columns[at]?.isNumber === true ? 'number' : undefined)
  return (
    <div class="scroll" role="region" aria-label={caption} tabindex={0}>
      <table class={isEven === true ? 'even' : undefined}>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ name }, at) => (
              <th scope="col" class={classOf(at)}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(([first, ...cells]) => (
            <tr>
              <th scope="row" class={classOf(0)}>
                {first}
              </th>
              {cells.map((cell, at) => (
                <td class={classOf(at + 1)}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
