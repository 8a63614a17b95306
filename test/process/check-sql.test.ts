/** Statements that are run on the databases of `CHECK_SQL`, in its process. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'libsql'
import { beforeAll, describe, expect, it } from 'vitest'
import { openChecker } from '../../src/check/checker.ts'
import { compareResults } from '../../src/check/sql/compare-results.ts'
import { openDescribed, openFile } from '../../src/check/sql/databases.ts'
import { insertsOf, literalsOf, tablesOf } from '../../src/check/sql/statement.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const FILE = join(folder, 'a ?#file.sqlite')

beforeAll(() => {
  const database = new Database(FILE)
  database.exec(
    'CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, "x"), (2, NULL)'.replaceAll(
      '"',
      "'"
    )
  )
  database.close()
})

const REQUEST = `Write SQL.
CREATE TABLE course (id INT NOT NULL AUTO_INCREMENT, name VARCHAR(20), credits INT, dept TEXT, starts DATE);
CREATE TABLE seat (course_id INT, student INT);
Question: which courses have 3 credits?`

const verdictOf = (logged: string, answer: string, request = REQUEST): string => {
  const literals = literalsOf(`${logged}\n${answer}`)
  const described = { tables: tablesOf(request), inserts: insertsOf(request), literals }
  const databases = openDescribed(described)
  try {
    return compareResults(databases, { logged, answer }).verdict
  } finally {
    for (const database of databases) database.close()
  }
}

const SAME: [string, string][] = [
  [
    'SELECT name FROM course WHERE credits = 3',
    'SELECT c.name FROM course c WHERE c.credits IN (3);',
  ],
  [
    "SELECT name FROM course WHERE dept = 'cs' AND credits > 2",
    "```sql\nSELECT name FROM course WHERE credits >= 3 AND dept = 'cs'\n```",
  ],
  ['SELECT name FROM course WHERE dept = "cs"', "SELECT name FROM course WHERE dept = 'cs'"],
  [
    'SELECT c.name, count(*) FROM course c, seat s WHERE s.course_id = c.id GROUP BY c.id, c.name',
    'SELECT c.name, count(s.course_id) AS n FROM course c JOIN seat s ON c.id = s.course_id GROUP BY c.id, c.name',
  ],
  [
    'SELECT id FROM course ORDER BY credits, id',
    'SELECT id FROM course ORDER BY credits ASC, id ASC',
  ],
  ['SELECT avg(credits) FROM course', 'SELECT 1.0 * sum(credits) / count(credits) FROM course'],
]

const DIFFERENT: [string, string][] = [
  ['SELECT name FROM course WHERE credits = 3', 'SELECT name FROM course WHERE credits >= 3'],
  [
    'SELECT name FROM course WHERE credits = 3',
    'SELECT DISTINCT name FROM course WHERE credits = 3',
  ],
  ['SELECT name, credits FROM course', 'SELECT credits, name FROM course'],
  ["SELECT name FROM course WHERE dept LIKE '%cs%'", "SELECT name FROM course WHERE dept = 'cs'"],
  ["SELECT name FROM course WHERE dept = 'CS'", "SELECT name FROM course WHERE dept = 'cs'"],
  ['SELECT count(*) FROM course', 'SELECT count(dept) FROM course'],
  [
    'SELECT count(*) > 0 FROM course WHERE credits = 3',
    'SELECT count(*) > 1 FROM course WHERE credits = 3',
  ],
  [
    'SELECT c.id FROM course c LEFT JOIN seat s ON s.course_id = c.id',
    'SELECT c.id FROM course c JOIN seat s ON s.course_id = c.id',
  ],
  ['SELECT id FROM course ORDER BY id', 'SELECT id FROM course'],
  ['SELECT id FROM course ORDER BY id', 'SELECT id FROM course ORDER BY id DESC'],
  [
    "SELECT name FROM course WHERE starts < '2024-05-01'",
    "SELECT name FROM course WHERE starts <= '2024-05-01'",
  ],
  ['SELECT name FROM course', 'SELECT nme FROM course'],
  ['SELECT name FROM course', 'SELECT name FROM course; DROP TABLE course'],
  ['SELECT name FROM course', 'DELETE FROM course'],
  ['SELECT name FROM course', 'PRAGMA query_only = 0'],
  ['SELECT name FROM course', "ATTACH 'other.sqlite' AS other"],
  ['SELECT name FROM course', 'WITH x AS (SELECT 1) DELETE FROM course'],
  ['SELECT name FROM course', 'I cannot write this query.'],
  [
    'SELECT name FROM course',
    'SELECT a.name FROM course a, course b, course c, course d, course e',
  ],
]

const NONE: [string, string][] = [
  ['SELECT nme FROM course', 'SELECT nme FROM courses'],
  ['SELECT 1', 'SELECT 1'],
  ["SELECT name FROM course WHERE 'a' = 'b'", 'SELECT name FROM course WHERE 1 = 2'],
  ['DELETE FROM course', 'DELETE FROM course'],
]

describe.each([
  ['same', SAME],
  ['different', DIFFERENT],
  ['none', NONE],
] as const)('on drawn rows says %s of', (verdict, pairs) => {
  it.each(pairs)('%s | %s', (logged, answer) => {
    expect(verdictOf(logged, answer)).toBe(verdict)
  })
})

it('has no database without a schema', () => {
  expect(verdictOf('SELECT a FROM t', 'SELECT a FROM t', 'no schema')).toBe('none')
})

it('runs on the rows of the request, too', () => {
  const request = `CREATE TABLE t (a INT); INSERT INTO t VALUES (77), (78);`
  expect(insertsOf(request)).toEqual(['INSERT INTO t VALUES (77), (78)'])
  expect(verdictOf('SELECT count(*) FROM t WHERE a > 70', 'SELECT count(*) FROM t', request)).toBe(
    'different'
  )
})

describe('a file', () => {
  it('is read, and cannot be written', () => {
    const database = openFile(FILE)
    const same = { logged: 'SELECT a FROM t', answer: 'SELECT a FROM t WHERE a > 0' }
    expect(compareResults([database], same).verdict).toBe('same')
    expect(compareResults([database], { ...same, answer: 'SELECT b FROM t' }).verdict).toBe(
      'different'
    )
    database.exec('PRAGMA query_only = 0')
    expect(() => database.exec('INSERT INTO t VALUES (3, NULL)')).toThrow(/readonly/)
  })
})

const ask = (setting: string, logged: string, answer: string, limitMs = 60_000) =>
  openChecker({ kind: 'sql', setting, limitMs }, { env: { PATH: process.env.PATH }, fetch }).ask({
    query: 'which?',
    messages: [
      { role: 'system', content: REQUEST },
      { role: 'user', content: 'which?' },
    ],
    logged,
    answer,
  })

describe('the process', () => {
  const SELECT = 'SELECT name FROM course'

  it('compares on the schema of the request', async () => {
    expect(await ask('prompt', SELECT, 'SELECT c.name FROM course c')).toBe('same')
    expect(await ask('prompt', SELECT, 'SELECT c.dept FROM course c')).toBe('different')
  })

  it('compares on a file, which stays as it is', async () => {
    const before = readFileSync(FILE)
    expect(await ask(FILE, 'SELECT a FROM t', 'SELECT x.a FROM t x')).toBe('same')
    // equal on the rows of the file, and not on drawn ones
    expect(await ask(FILE, 'SELECT a FROM t', 'SELECT a FROM t WHERE a < 3')).toBe('different')
    expect(await ask(FILE, 'SELECT a FROM t', 'DROP TABLE t')).toBe('different')
    expect(readFileSync(FILE)).toEqual(before)
  })

  it('has little memory', async () => {
    expect(await ask('prompt', SELECT, 'SELECT hex(zeroblob(200000000)) FROM course')).toBe(
      'different'
    )
  })

  it('waits for a file that is not there, and makes none', async () => {
    const path = join(folder, 'none.sqlite')
    await expect(ask(path, SELECT, SELECT)).rejects.toMatchObject({ code: 'upstream-unavailable' })
    expect(existsSync(path)).toBe(false)
  })

  it.each([
    ['WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r'],
    [
      `SELECT count(*) FROM course ${', course'.repeat(12)}`.replace(
        /, course/g,
        (_text, at: number) => `, course c${at}`
      ),
    ],
  ])('is killed at its limit of time: %#', async (answer) => {
    expect(await ask('prompt', answer, answer, 3_000)).toBe('none')
  })
})
