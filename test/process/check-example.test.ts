/** The checker of SQL that docs/check.md names. */
import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openChecker } from '../../src/check/checker.ts'
import { fromRoot } from '../kit/process/from-root.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const folder = sharedFolder()
const OTHER_FILE = join(folder, 'other.sqlite')

const SCHEMA = `CREATE TABLE course (id INTEGER PRIMARY KEY, name TEXT, credits INT, dept TEXT, starts DATE);
CREATE TABLE seat (course_id INT, student INT);`

const HAS_PYTHON = spawnSync('python3', ['-c', 'import sqlite3']).status === 0

beforeAll(() => {
  writeFileSync(join(folder, 'schema.sql'), SCHEMA)
})

const verdictOf = (logged: string, answer: string) =>
  openChecker(
    { kind: 'command', setting: `python3 "${fromRoot('deploy/check_sql.py')}"`, limitMs: 60_000 },
    { env: { PATH: process.env.PATH, CHECK_SCHEMA: join(folder, 'schema.sql') }, fetch }
  ).ask({ query: 'q', messages: [{ role: 'user', content: 'q' }], logged, answer })

const NAMES = 'SELECT name FROM course'
const OF_THREE = `${NAMES} WHERE credits = 3`

describe.skipIf(!HAS_PYTHON)('the example says', () => {
  it.each([
    [OF_THREE, 'SELECT c.name FROM course c WHERE c.credits IN (3);'],
    [
      `${NAMES} WHERE dept = 'cs' AND credits > 2`,
      `\`\`\`sql\n${NAMES} WHERE credits >= 3 AND dept = 'cs'\n\`\`\``,
    ],
    [
      'SELECT c.name, count(*) FROM course c, seat s WHERE s.course_id = c.id GROUP BY c.id, c.name',
      'SELECT c.name, count(s.course_id) AS n FROM course c JOIN seat s ON c.id = s.course_id GROUP BY c.id, c.name',
    ],
    [
      'SELECT id FROM course ORDER BY credits, id',
      'SELECT id FROM course ORDER BY credits ASC, id ASC',
    ],
    ['SELECT avg(credits) FROM course', 'SELECT 1.0 * sum(credits) / count(credits) FROM course'],
  ])('same: %s | %s', async (logged, answer) => {
    expect(await verdictOf(logged, answer)).toBe('same')
  })

  it.each([
    [OF_THREE, `${NAMES} WHERE credits >= 3`],
    [OF_THREE, 'SELECT DISTINCT name FROM course WHERE credits = 3'],
    ['SELECT name, credits FROM course', 'SELECT credits, name FROM course'],
    [`${NAMES} WHERE dept LIKE '%cs%'`, `${NAMES} WHERE dept = 'cs'`],
    ['SELECT count(*) FROM course', 'SELECT count(dept) FROM course'],
    [
      'SELECT c.id FROM course c LEFT JOIN seat s ON s.course_id = c.id',
      'SELECT c.id FROM course c JOIN seat s ON s.course_id = c.id',
    ],
    ['SELECT id FROM course ORDER BY id', 'SELECT id FROM course'],
    ['SELECT id FROM course ORDER BY id', 'SELECT id FROM course ORDER BY id DESC'],
    [NAMES, 'SELECT nme FROM course'],
    [NAMES, 'I cannot write this query.'],
  ])('different: %s | %s', async (logged, answer) => {
    expect(await verdictOf(logged, answer)).toBe('different')
  })

  it.each([
    'DELETE FROM course',
    'WITH x AS (SELECT 1) DELETE FROM course',
    `${NAMES}; DROP TABLE course`,
    `ATTACH '${OTHER_FILE}' AS other`,
    `VACUUM INTO '${OTHER_FILE}'`,
    'PRAGMA query_only = 0',
    `${NAMES} UNION SELECT load_extension('x')`,
    'SELECT hex(zeroblob(900000000)) FROM course',
    'SELECT a.name FROM course a, course b, course c, course d, course e',
  ])('different of what may do harm, and does none: %s', async (answer) => {
    expect(await verdictOf(NAMES, answer)).toBe('different')
    expect(existsSync(OTHER_FILE)).toBe(false)
  })

  it.each([
    ['a logged query that fails', 'SELECT nme FROM course', NAMES],
    ['one that finds nothing', `${NAMES} WHERE 1 = 2`, `${NAMES} WHERE 2 = 3`],
    [
      'an answer that does not end',
      NAMES,
      'WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r',
    ],
  ])('nothing of %s', async (_name, logged, answer) => {
    expect(await verdictOf(logged, answer)).toBe('none')
  })
})
