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
