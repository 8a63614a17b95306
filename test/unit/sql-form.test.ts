/** Statements agree where a parser reads one tree from them, and nothing that can change a meaning is folded. */
import { array, assert, constantFrom, property } from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { agree, NO_FOLDS, type Comparison } from '../../src/core/answer/agreement.ts'
import { loadSqlParser, sqlForm } from '../../src/core/answer/sql/sql-form.ts'
import { cpuMsOf } from '../kit/linear.ts'

const SQL: Comparison = { responseType: 'code', folds: NO_FOLDS, structure: 'sql' }

beforeAll(loadSqlParser)

describe('agrees on', () => {
  it.each([
    [
      'keywords and names in another case',
      'SELECT a FROM t WHERE b = 1',
      'select A from T where B = 1',
    ],
    ['<> and !=', 'SELECT a FROM t WHERE b <> 1', 'SELECT a FROM t WHERE b != 1'],
    ['AS', 'SELECT count(*) AS n FROM t AS x', 'SELECT COUNT(*) n FROM t x'],
    [
      'INNER, OUTER and ASC',
      'SELECT a FROM t JOIN u ON t.b = u.b ORDER BY a',
      'SELECT a FROM t INNER JOIN u ON t.b = u.b ORDER BY a ASC',
    ],
    [
      'OUTER',
      'SELECT a FROM t LEFT JOIN u ON t.b = u.b',
      'SELECT a FROM t LEFT OUTER JOIN u ON t.b = u.b',
    ],
    [
      'parentheses that change nothing',
      'SELECT a FROM t WHERE b = 1 AND c = 2 OR d',
      'SELECT (a) FROM t WHERE ((b = 1) AND (c = 2)) OR (d)',
    ],
    ['quotes around a qualified name', 'SELECT t.a FROM t', 'SELECT t."a" FROM "t"'],
    ['backticks', 'SELECT `A` FROM `t`', 'select a from t'],
    ['a fence, line breaks and a semicolon', '```sql\nSELECT a\nFROM t;\n```', 'SELECT a FROM t'],
    [
      'quotes within a string',
      "SELECT a FROM t WHERE b = 'it''s'",
      "select a from t where (b) = 'it''s'",
    ],
  ])('%s', (_name, one, other) => {
    expect(sqlForm('SELECT 1')).not.toBeNull()
    expect(agree(SQL, one, other)).toBe(true)
  })
})

describe('disagrees on', () => {
  it.each([
    ['the order of columns', 'SELECT a, b FROM t', 'SELECT b, a FROM t'],
    ['the order of tables', 'SELECT * FROM t, u', 'SELECT * FROM u, t'],
    ['the case of a string', "SELECT a FROM t WHERE b = 'X'", "SELECT a FROM t WHERE b = 'x'"],
    ['a string that spells a word of the tree', "SELECT 'SORTBY_ASC'", "SELECT 'SORTBY_DEFAULT'"],
    [
      'a name in quotes that may be a string',
      'SELECT a FROM t WHERE b = "c"',
      'SELECT a FROM t WHERE b = c',
    ],
    [
      'such a name in another case',
      'SELECT a FROM t WHERE b = "C"',
      'SELECT a FROM t WHERE b = "c"',
    ],
    ['DESC', 'SELECT a FROM t ORDER BY a', 'SELECT a FROM t ORDER BY a DESC'],
    ['DISTINCT', 'SELECT a FROM t', 'SELECT DISTINCT a FROM t'],
    [
      'UNION ALL',
      'SELECT a FROM t UNION SELECT a FROM u',
      'SELECT a FROM t UNION ALL SELECT a FROM u',
    ],
    [
      'parentheses around OR',
      'SELECT a FROM t WHERE (b OR c) AND d',
      'SELECT a FROM t WHERE b OR c AND d',
    ],
    ['a number', 'SELECT a FROM t LIMIT 10', 'SELECT a FROM t LIMIT 1'],
    ['digits of a number', 'SELECT 1.0', 'SELECT 1.00'],
    ['the name of a column', 'SELECT a AS b FROM t', 'SELECT a FROM t'],
    ['a second statement', 'SELECT a FROM t', 'SELECT a FROM t; DELETE FROM t'],
    // of these, PostgreSQL reads one tree, and another database two
    ['LIKE within =', "SELECT a = b LIKE 'c'", "SELECT a = (b LIKE 'c')"],
    ['IS NULL of =', 'SELECT a = b IS NULL', 'SELECT (a = b) IS NULL'],
    ['|| beside +', 'SELECT a || b + c', 'SELECT a || (b + c)'],
    ['strings on two lines', "SELECT 'a'\n'b'", "SELECT 'ab'"],
    [
      'set operations of two kinds',
      'SELECT 1 UNION SELECT 2 INTERSECT SELECT 3',
      'SELECT 1 UNION (SELECT 2 INTERSECT SELECT 3)',
    ],
    [
      'such arms within an arm',
      'SELECT 0 UNION (SELECT 1 UNION SELECT 2 EXCEPT SELECT 3)',
      'SELECT 0 UNION (SELECT 1 UNION (SELECT 2 EXCEPT SELECT 3))',
    ],
    [
      'a comma beside a join',
      'SELECT * FROM a, b LEFT JOIN c ON x',
      'SELECT * FROM a, (b LEFT JOIN c ON x)',
    ],
    ['an operator of one database', 'SELECT a <=> b = c', 'SELECT (a <=> b) = c'],
    ['hexadecimal numbers', 'SELECT 0x1F', 'SELECT 31'],
    [
      'names longer than PostgreSQL keeps',
      `SELECT ${'a'.repeat(63)}b`,
      `SELECT ${'a'.repeat(63)}c`,
    ],
    ['such names in quotes', `SELECT t."${'ä'.repeat(32)}b"`, `SELECT t."${'ä'.repeat(32)}c"`],
    ['comments, which are hints in MySQL', 'SELECT /*+ a */ 1', 'SELECT 1'],
    ['a double quote within backticks', 'SELECT `a" , "b`', 'SELECT a, b'],
    ['strings of another kind', "SELECT b'101'", "SELECT '101'"],
  ])('%s', (_name, one, other) => {
    expect(agree(SQL, one, other)).toBe(false)
  })
})

it('compares what it cannot read as text', () => {
  expect(agree(SQL, 'SELECT a FROM t LIMIT 1, 2', 'SELECT  a FROM t LIMIT 1,2')).toBe(true)
  expect(agree(SQL, 'SELECT a FROM t LIMIT 1, 2', 'select a FROM t LIMIT 1, 2')).toBe(false)
  expect(agree(SQL, 'ls -l', 'ls -l')).toBe(true)
})

it('compares by text without a plan for the parser', () => {
  expect(agree({ responseType: 'code', folds: NO_FOLDS }, 'SELECT a', 'select a')).toBe(false)
})

it.each([
  `SELECT ${'('.repeat(4_900)}1${')'.repeat(4_900)}`,
  `SELECT ${'NOT '.repeat(2_000)}a`,
  `SELECT ${'a = 1 OR '.repeat(1_000)}b`,
  `SELECT ${'CASE WHEN a THEN '.repeat(300)}1${' END'.repeat(300)}`,
  `SELECT ${'"'.repeat(9_000)}`,
  `SELECT ${"'".repeat(8_000)}`,
  `SELECT a FROM ${'(SELECT a FROM '.repeat(500)}t${') x'.repeat(500)}`,
  'SELECT \u0000',
  `SELECT ${'a, '.repeat(100_000)}b`,
])('ends in bounded time and goes on: %#', (hostile) => {
  expect(cpuMsOf(() => agree(SQL, hostile, `${hostile} `))).toBeLessThan(10_000)
  expect(agree(SQL, 'SELECT a', 'select a')).toBe(true)
})

it('agrees wherever the texts agree', () => {
  const words = [
    'select',
    'a',
    'from',
    't',
    'where',
    '=',
    '1',
    '(',
    ')',
    ',',
    "'x'",
    '"y"',
    '`z`',
    'and',
    '-',
    ';',
    '.',
  ]
  const statement = array(constantFrom(...words), { maxLength: 12 })
  assert(
    property(
      statement,
      array(constantFrom(' ', '  ', '\n', ' \t'), { minLength: 14, maxLength: 14 }),
      (parts, blanks) => {
        const one = `select ${parts.join(' ')}`
        const other = `select ${parts.map((part, at) => part + blanks[at]).join('')}`
        expect(agree(SQL, one, other)).toBe(true)
      }
    ),
    { numRuns: 500 }
  )
})
