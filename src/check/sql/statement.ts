/** Texts of SQL: the one query of an answer, and the tables and rows that a request describes. Runs nothing. */

/** Quoted parts and comments, in which no word of SQL is. */
const OPAQUE = /'(?:[^']|'')*'|"[^"]*"|`[^`]*`|\[[^\]]*\]|--[^\n]*|\/\*[\s\S]*?\*\//g

/** The same text, of the same length, with blanks in place of all that is quoted or a comment. */
const bareText = (text: string): string => text.replace(OPAQUE, (part) => ' '.repeat(part.length))

const withoutFence = (text: string): string => text.trim().replace(/^```\w*\s|\s*```$/g, '')

/** @returns the query without its semicolon; null for anything that is not one query */
export const queryOf = (answer: string): string | null => {
  const text = withoutFence(answer)
  const bare = bareText(text)
  const end = bare.indexOf(';')
  const isOne = end < 0 || bare.slice(end + 1).trim() === ''
  if (!isOne || !/^\s*(?:select|with|values)\b/i.test(bare)) return null
  return end < 0 ? text : text.slice(0, end)
}

/** Whether the rows of a query are in an order: `ORDER BY` outside of its parentheses. */
export const isOrdered = (query: string): boolean => {
  let depth = 0
  const outer = [...bareText(query)].filter((char) => {
    if (char === '(') depth++
    if (char === ')') depth--
    return depth === 0
  })
  return /\border\s+by\b/i.test(outer.join(''))
}

const MAX_TABLES = 100
const MAX_INSERTS = 1_000

/** Place behind the closing parenthesis of the first open one; null where none closes it. */
const endOfParentheses = (bare: string, from: number): number | null => {
  let depth = 0
  for (let at = bare.indexOf('(', from); at >= 0 && at < bare.length; at++) {
    if (bare[at] === '(') depth++
    if (bare[at] === ')' && --depth === 0) return at + 1
  }
  return null
}

/** `CREATE TABLE` statements of a text, without what other databases write behind them. */
export const tablesOf = (text: string): string[] => {
  const bare = bareText(text)
  return [...bare.matchAll(/\bcreate\s+(?:temp(?:orary)?\s+)?table\b[^(;]{0,200}\(/gi)]
    .slice(0, MAX_TABLES)
    .flatMap(({ index }) => {
      const end = endOfParentheses(bare, index)
      return end === null ? [] : text.slice(index, end).replace(/\bauto_?increment\b/gi, '')
    })
}

/** `INSERT` statements of a text, each to its semicolon or to a blank line. */
export const insertsOf = (text: string): string[] => {
  const bare = bareText(text)
  return [...bare.matchAll(/\binsert\s+into\b/gi)].slice(0, MAX_INSERTS).map(({ index }) => {
    const rest = bare.slice(index)
    const end = rest.search(/;|\n\s*\n/)
    return text.slice(index, end < 0 ? undefined : index + end)
  })
}

/** A value in a query, as SQLite would hold it. */
export type Literal = string | number

const literalOf = (text: string): Literal => {
  if (text.startsWith("'")) return text.slice(1, -1).replaceAll("''", "'")
  return text.startsWith('"') ? text.slice(1, -1) : Number(text)
}

const VALUE = String.raw`'(?:[^']|'')*'|"[^"]*"|-?\b\d+(?:\.\d+)?\b`
const COMPARED = new RegExp(
  String.raw`(\w+)["\x60\]]?\s*(?:=|<>|!=|<=?|>=?|(?:not\s+)?like\b|(?:not\s+)?in\s*\(|(?:not\s+)?between\b)\s*((?:${VALUE})(?:\s*(?:,|\band\b)\s*(?:${VALUE}))*)`,
  'gi'
)
const VALUES = new RegExp(VALUE, 'g')

/** Values that a query compares, by the name of the column in lower case; '' has all of them. */
export const literalsOf = (query: string): Map<string, Literal[]> => {
  const known = new Map<string, Literal[]>()
  const add = (name: string, text: string): void => {
    const values = (text.match(VALUES) ?? []).map(literalOf)
    known.set(name, [...(known.get(name) ?? []), ...values])
  }
  add('', query)
  for (const [, name, values] of query.matchAll(COMPARED)) add(name!.toLowerCase(), values!)
  return known
}
