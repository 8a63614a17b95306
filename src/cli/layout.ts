/** Text in a limited number of columns. Pure. */
import { visibleName } from '../visible-text.ts'
import { itemAt } from '../core/lists.ts'

/**
 * Breaks a line at spaces. Words longer than the width stay whole, so that ids and paths can be copied.
 * @param text one line @param indent spaces before all lines but the first, after the text's own
 */
export const wrap = (text: string, width: number, indent = 0): string => {
  if (text.length <= width) return text
  const lead = text.replace(/[^ ].*/s, '')
  const margin = lead + ' '.repeat(indent)
  const lines: string[] = []
  for (const word of text.trim().split(/\s+/)) {
    const last = lines.at(-1)
    if (last === undefined) lines.push(lead + word)
    else if (last.length + 1 + word.length > width) lines.push(margin + word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.join('\n')
}

const GAP = '  '

const widthsOf = (rows: string[][]): number[] =>
  rows.reduce<number[]>(
    (widths, row) => row.map(({ length }, column) => Math.max(length, widths[column] ?? 0)),
    []
  )

const columnsOf = (rows: string[][]): string => {
  const widths = widthsOf(rows)
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join(GAP)
        .trimEnd()
    )
    .join('\n')
}

/** Ends in an ellipsis where it was too long. @param room columns */
export const shortened = (text: string, room: number): string =>
  text.length <= room
    ? text
    : `${text
        .slice(0, room - 1)
        .replace(/[\uD800-\uDBFF]$/, '')
        .trimEnd()}…`

/** Shorter than this, a name tells nothing. */
const LEAST_ROOM = 8

/** Shortens the cells of one column until the rows fit, at most to `LEAST_ROOM`. */
const withShortened = (rows: string[][], column: number, width: number): string[][] => {
  const widths = widthsOf(rows)
  const all = widths.reduce((sum, each) => sum + each, GAP.length * (widths.length - 1))
  const room = Math.max(LEAST_ROOM, itemAt(widths, column) - Math.max(0, all - width))
  return rows.map((row) => row.with(column, shortened(itemAt(row, column), room)))
}

const block = (header: string[], row: string[], width: number): string => {
  const labelWidth = Math.max(...header.map((label) => label.length))
  return header
    .flatMap((label, column) => {
      const value = itemAt(row, column)
      if (value === '') return []
      const indent = labelWidth + GAP.length
      return (
        label.padEnd(indent) +
        wrap(value, width - indent).replaceAll('\n', `\n${' '.repeat(indent)}`)
      )
    })
    .join('\n')
}

/**
 * Columns as wide as their widest cell. Where they do not fit, each row is a block of lines, one for
 * each cell with a value.
 * @param rows the first one is the header @param shortens a column whose cells are shortened before that
 */
export const table = (rows: (string | number)[][], width: number, shortens?: number): string => {
  const visible = rows.map((row) => row.map((cell) => visibleName(String(cell))))
  const fitted = shortens === undefined ? visible : withShortened(visible, shortens, width)
  const [header = [], ...cells] = fitted
  const columns = columnsOf(fitted)
  if (columns.split('\n').every((line) => line.length <= width)) return columns
  return cells.map((row) => block(header, row, width)).join('\n\n')
}
