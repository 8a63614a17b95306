/** Text in a limited number of columns. Pure. */
import { visibleName } from '../visible-text.ts'

/**
 * Breaks a line at spaces. Words longer than the width stay whole, so that ids and paths can be copied.
 * @param text one line @param indent spaces before all lines but the first, after the text's own
 */
export const wrap = (text: string, width: number, indent = 0): string => {
  if (text.length <= width) return text
  const [lead = ''] = /^ */.exec(text)!
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

const columnsOf = (rows: string[][]): string =>
  rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(Math.max(...rows.map((other) => other[column]!.length))))
        .join(GAP)
        .trimEnd()
    )
    .join('\n')

const block = (header: string[], row: string[], width: number): string => {
  const labelWidth = Math.max(...header.map((label) => label.length))
  return header
    .flatMap((label, column) => {
      const value = row[column]!
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
 * @param rows the first one is the header
 */
export const table = (rows: (string | number)[][], width: number): string => {
  const [header = [], ...cells] = rows.map((row) => row.map((cell) => visibleName(String(cell))))
  const columns = columnsOf([header, ...cells])
  if (columns.split('\n').every((line) => line.length <= width)) return columns
  return cells.map((row) => block(header, row, width)).join('\n\n')
}
