/** Seeded rewrites of SQL: some keep its meaning by the rules of SQL, some change it. Knows no database. */
import { shuffle } from '../../src/random.ts'

type Rewrite = (sql: string, random: () => number) => string

const pick = (
  matches: readonly RegExpMatchArray[],
  random: () => number
): RegExpMatchArray | undefined => matches[Math.floor(random() * matches.length)]

/** Changes one of the places that a pattern finds. */
const changeOne =
  (pattern: RegExp, change: (found: RegExpMatchArray) => string): Rewrite =>
  (sql, random) => {
    const found = pick([...sql.matchAll(pattern)], random)
    if (found === undefined) return sql
    const { index = 0 } = found
    return sql.slice(0, index) + change(found) + sql.slice(index + found[0].length)
  }

const outsideQuotes = (sql: string, change: (part: string) => string): string =>
  sql
    .split(/("[^"]*"|'[^']*')/)
    .map((part, at) => (at % 2 === 1 ? part : change(part)))
    .join('')

/** Conditions of the last `WHERE` where these are joined by `AND` alone; null for others. */
const conditionsOf = (
  sql: string
): { before: string; conditions: string[]; after: string } | null => {
  const found = /^(.* WHERE )([^()]*?)( (?:GROUP|ORDER|LIMIT)\b[^()]*)?(;?)$/s.exec(sql)
  if (found === null || / OR | BETWEEN /.test(found[2]!)) return null
  const conditions = found[2]!.split(' AND ')
  return { before: found[1]!, conditions, after: (found[3] ?? '') + found[4]! }
}

const turnConditions: Rewrite = (sql, random) => {
  const parts = conditionsOf(sql)
  if (parts === null || parts.conditions.length < 2) return sql
  return parts.before + shuffle([...parts.conditions], random).join(' AND ') + parts.after
}

const dropCondition: Rewrite = (sql, random) => {
  const parts = conditionsOf(sql)
  if (parts === null || parts.conditions.length < 2) return sql
  const dropped = Math.floor(random() * parts.conditions.length)
  const conditions = parts.conditions.filter((_, at) => at !== dropped)
  return parts.before + conditions.join(' AND ') + parts.after
}

/** A bracket around the conditions. */
const bracket: Rewrite = (sql) => {
  const parts = conditionsOf(sql)
  return parts === null ? sql : `${parts.before}(${parts.conditions.join(' AND ')})${parts.after}`
}

const KEEPING: Record<string, Rewrite> = {
  'lower case': (sql) => outsideQuotes(sql, (part) => part.toLowerCase()),
  'AS left out': (sql) => outsideQuotes(sql, (part) => part.replace(/ AS (?!\()/g, ' ')),
  'INNER left out': (sql) => outsideQuotes(sql, (part) => part.replaceAll('INNER JOIN', 'JOIN')),
  brackets: bracket,
  'conditions in another order': turnConditions,
}

const CHANGING: Record<string, Rewrite> = {
  'DISTINCT left out': changeOne(/DISTINCT /g, () => ''),
  'another number': changeOne(/(?<== )\d+/g, ([number]) => String(Number(number) + 1)),
  'another text': changeOne(/(?<== )"([^"%]+)"/g, ([, text]) => `"${text}X"`),
  'another comparison': changeOne(
    / (>=?|<=?) /g,
    ([, one]) => ` ${one!.length === 2 ? one![0] : `${one}=`} `
  ),
  'a condition left out': dropCondition,
  'AND for OR': changeOne(/ AND /g, () => ' OR '),
  'another aggregate': changeOne(/\b(MAX|MIN)\(/g, ([, name]) =>
    name === 'MAX' ? 'MIN(' : 'MAX('
  ),
  'another order': changeOne(/ (ASC|DESC)\b/g, ([, order]) => (order === 'ASC' ? ' DESC' : ' ASC')),
}

export interface Pair {
  logged: string
  answer: string
  rewrite: string
  keeps: boolean
}

/** At most one pair of each rewrite that changes the text. */
export const pairsOf = (logged: string, random: () => number): Pair[] =>
  [KEEPING, CHANGING].flatMap((rewrites) =>
    Object.entries(rewrites).flatMap(([rewrite, write]) => {
      const answer = write(logged, random)
      return answer === logged ? [] : { logged, answer, rewrite, keeps: rewrites === KEEPING }
    })
  )
