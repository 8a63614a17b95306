/** Tables of comma-separated values (RFC 4180). Pure. */

/**
 * Programs for tables take a cell that begins so for a formula, which could send the others elsewhere; with East Asian
 * settings also one of wide characters (https://owasp.org/www-community/attacks/CSV_Injection).
 */
const IS_FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

const cellOf = (value: string | number | null): string => {
  if (typeof value !== 'string') return value === null ? '' : String(value)
  const text = IS_FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** @param cells texts, which never become formulas, and numbers @returns with its line end */
export const csvLine = (cells: readonly (string | number | null)[]): string =>
  `${cells.map(cellOf).join(',')}\r\n`

/** A line of a table that was read, and the line of the file that it begins in, from 1. */
export interface CsvRow {
  line: number
  cells: string[]
}

/** A quoted cell, or one without quotes, and what ends it. */
const CELL = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y

/** Without the mark that `csvLine` puts before what looks like a formula. */
const textOfCell = (quoted: string | undefined, plain: string): string => {
  const text = quoted === undefined ? plain : quoted.replaceAll('""', '"')
  return text.startsWith("'") && IS_FORMULA.test(text.slice(1)) ? text.slice(1) : text
}

/**
 * Reads a whole table, in time that is linear in its length. Empty lines are no rows.
 * @returns the rows, or the number of the line that has a quote where none may be
 */
export const parseCsv = (table: string): CsvRow[] | { brokenLine: number } => {
  const text = table.replace(/^\uFEFF/, '')
  const rows: CsvRow[] = []
  let [line, cells] = [1, [] as string[]]
  let beginsIn = line
  for (let at = 0; at < text.length || cells.length > 0; at = CELL.lastIndex) {
    CELL.lastIndex = at
    const found = CELL.exec(text)
    if (found === null) return { brokenLine: line }
    const [whole, quoted, plain = '', end = ''] = found
    cells.push(textOfCell(quoted, plain))
    line += whole.match(/\r\n|\n|\r/g)?.length ?? 0
    if (end === ',') continue
    if (cells.length > 1 || cells[0] !== '') rows.push({ line: beginsIn, cells })
    ;[cells, beginsIn] = [[], line]
    // `$` ends the last row: the loop would read an empty cell there again
    if (end === '') break
  }
  return rows
}
