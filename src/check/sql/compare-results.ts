/** Runs two queries on the same databases, and says whether their results are equal. */
import type Database from 'libsql'
import { isOrdered, queryOf } from './statement.ts'
import { itemAt } from '../../core/lists.ts'

const MAX_ROWS = 10_000
const MAX_CHARS = 16_000_000
/** Digits of a sum that do not depend on the order of its parts. */
const DIGITS = 12
/** Names in double quotes that one query may use as strings. */
const MAX_STRINGS = 50

export interface Verdict {
  verdict: 'same' | 'different' | 'none'
  why: string
}

/** Rows as texts; null: it failed; `too-large`: it has more rows or longer ones than are read. */
type Result = string[] | null | 'too-large'

const valueText = (value: unknown): string => {
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return String(Number(value.toPrecision(DIGITS)))
  if (value === null || typeof value === 'string') return JSON.stringify(value)
  return `x'${Buffer.from(value as Uint8Array).toString('hex')}'`
}

/** @throws an error of SQLite */
const rowsOf = (database: Database.Database, query: string): Exclude<Result, null> => {
  const rows: string[] = []
  let chars = 0
  for (const row of database.prepare(query).raw().iterate() as Iterable<unknown[]>) {
    const text = row.map(valueText).join()
    chars += text.length
    if (rows.length >= MAX_ROWS || chars > MAX_CHARS) return 'too-large'
    rows.push(text)
  }
  return rows
}

/** MySQL and older SQLite read a name in double quotes that is no column as a string. */
const withString = (query: string, error: unknown): string | null => {
  const name = /no such column: "?([^"\n]*?)"?(?: - .*)?$/.exec(
    String((error as Error).message)
  )?.[1]
  if (name === undefined || !query.includes(`"${name}"`)) return null
  return query.replaceAll(`"${name}"`, () => `'${name.replaceAll("'", "''")}'`)
}

const run = (database: Database.Database, query: string | null): Result => {
  let text = query
  for (let tries = 0; text !== null && tries <= MAX_STRINGS; tries++) {
    try {
      return rowsOf(database, text)
    } catch (error) {
      text = withString(text, error)
    }
  }
  return null
}

const isEqual = (one: readonly string[], other: readonly string[], isList: boolean): boolean => {
  if (one.length !== other.length) return false
  const [first, second] = isList ? [one, other] : [one.toSorted(), other.toSorted()]
  return first.every((row, at) => row === second[at])
}

const none = (why: string): Verdict => ({ verdict: 'none', why })
const different = (why: string): Verdict => ({ verdict: 'different', why })

/** Whether the results say something of the queries: not where nothing is found, and not where all rows give the same. */
const isTelling = (results: readonly (readonly string[])[]): boolean =>
  results.length === 1
    ? itemAt(results, 0).length > 0
    : new Set(results.map((rows) => rows.toSorted().join('\n'))).size > 1

/**
 * Rows in any order; in their order where the logged query asks for one. Names of columns are not compared.
 * @param databases on all of them the results must be equal
 */
export const compareResults = (
  databases: readonly Database.Database[],
  { logged, answer }: { logged: string; answer: string }
): Verdict => {
  const [one, other] = [queryOf(logged), queryOf(answer)]
  if (one === null && other === null) return none('neither is one query')
  const isList = one !== null && isOrdered(one)
  const results: string[][] = []
  let isRun = false
  for (const database of databases) {
    const [first, second] = [run(database, one), run(database, other)]
    if (first === null && second === null) continue
    isRun = true
    if (first === null || second === null)
      return different(
        `the ${first === null ? 'logged' : 'adapted'} query fails, the other does not`
      )
    if (first === 'too-large' && second === 'too-large') return none('the results are too large')
    if (first === 'too-large' || second === 'too-large') return different('one result is too large')
    const hasOrder = !isList || first.length < 2 || isOrdered(other ?? '')
    if (!hasOrder || !isEqual(first, second, isList)) return different('the results differ')
    results.push(first)
  }
  if (!isRun) return none('both queries fail')
  return isTelling(results)
    ? { verdict: 'same', why: 'the results are equal' }
    : none('the results do not depend on the rows')
}
