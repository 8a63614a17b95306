/** Text in a limited number of columns. Pure. */

/** Words longer than the width stay whole, so that ids and paths can be copied. */
const wordsToLines = (words: string[], width: number): string[] => {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

/** @param text one line @param indent spaces before all lines but the first */
export const wrap = (text: string, width: number, indent = 0): string => {
  if (text.length <= width) return text
  const [, lead = '', rest = ''] = /^(\s*)(.*)$/s.exec(text)!
  const margin = ' '.repeat(lead.length + indent)
  const lines = wordsToLines(rest.split(/\s+/), width - margin.length)
  return lines.map((line, at) => (at === 0 ? lead : margin) + line).join('\n')
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
      return wrap(`${label.padEnd(labelWidth)}${GAP}${value}`, width, labelWidth + GAP.length)
    })
    .join('\n')
}

/**
 * Columns as wide as their widest cell. Where they do not fit, each row is a block of lines, one for
 * each cell with a value.
 * @param rows the first one is the header
 */
export const table = (rows: (string | number)[][], width: number): string => {
  const [header = [], ...cells] = rows.map((row) => row.map(String))
  const columns = columnsOf([header, ...cells])
  if (columns.split('\n').every((line) => line.length <= width)) return columns
  return cells.map((row) => block(header, row, width)).join('\n\n')
}
