/**
 * Prepares a statement for PostgreSQL's parser: names in quotes of other databases, and no text whose words another
 * database may read differently. Knows no tree.
 */
import { itemAt } from '../../lists.ts'

/** The time of the parser is linear; 10,000 characters take up to half a second. */
const MAX_CHARS = 10_000
/** Quoted parts of a text without escapes. Backticks quote names in MySQL. */
export const QUOTED = /("[^"]*"|'[^']*'|`[^`]*`)/

/** Marks a name in double quotes, which MySQL and SQLite read as a string where it is no column. */
export const MARK = '\u007f'
const CONTROL = /[^\P{Cc}\n\t]/u

/** Numbers that only PostgreSQL reads: `0x1f` and `1_000`. */
const UNLIKE_NUMBER = /\b0[xob]|\d_\d/i
/** PostgreSQL cuts longer names, bytes. */
const MAX_NAME_BYTES = 63

const hasLongName = (part: string): boolean =>
  (part.match(/[\p{L}\p{N}_]+/gu) ?? []).some((name) => Buffer.byteLength(name) > MAX_NAME_BYTES)

/** Backticks mark a name in every database that has them, and there the case of columns means nothing. */
const nameOf = (quoted: string): string =>
  quoted.startsWith('`')
    ? `"${quoted.slice(1, -1).toLowerCase()}"`
    : `"${MARK}${quoted.slice(1, -1)}"`

/**
 * Whether a quoted part stands alone: `'a' 'b'` is `'ab'` for one database and has an alias for another, and `e'a'` is
 * a string of another kind. `'it''s'` is one string in all of them.
 */
const standsAlone = (parts: readonly string[], at: number): boolean => {
  const quoted = itemAt(parts, at)
  const before = itemAt(parts, at - 1)
  const after = itemAt(parts, at + 1)
  const previous = parts[at - 2]
  if (previous !== undefined && before.trim() === '')
    return before === '' && previous.startsWith("'") && quoted.startsWith("'")
  // a name in backticks with a double quote in it would end where that is
  if (quoted.startsWith('`') && quoted.includes('"')) return false
  return !/\w$/.test(before) && !/^\w/.test(after)
}

/** The statement for the parser; null where another database may read its words differently. */
export const markedNames = (sql: string): string | null => {
  if (sql.length > MAX_CHARS || CONTROL.test(sql)) return null
  const parts = sql.split(QUOTED)
  let text = ''
  for (const [at, part] of parts.entries()) {
    const isQuoted = at % 2 === 1
    if (isQuoted ? !standsAlone(parts, at) : UNLIKE_NUMBER.test(part) || hasLongName(part))
      return null
    const isName = isQuoted && !part.startsWith("'")
    if (isName && Buffer.byteLength(nameOf(part)) > MAX_NAME_BYTES + 2) return null
    text += isName ? nameOf(part) : part
  }
  return text
}
