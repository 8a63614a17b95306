/** A table of values: what a program for tables would run stays a text. */
import { expect, it } from 'vitest'
import { csvLine, parseCsv } from '../../src/core/csv.ts'

it('quotes what would end a cell, and leaves figures as they are', () => {
  expect(csvLine(['a', 'b,c', 'd"e', 'f\ng', null, -1, 0.5, ''])).toBe(
    'a,"b,c","d""e","f\ng",,-1,0.5,\r\n'
  )
})

// https://owasp.org/www-community/attacks/CSV_Injection; the wide ones are for East Asian settings
it.each(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'])(
  'has no formula that begins with %j',
  (first) => {
    const [cell] = /^"?(.)/s.exec(csvLine([`${first}1+1`]))!.slice(1)
    expect(cell).toBe("'")
  }
)

it.each([
  [
    'a,b\r\n1,2\r\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'a,b\n"x, ""y""\nz",\n',
    [
      ['a', 'b'],
      ['x, "y"\nz', ''],
    ],
  ],
  ['\uFEFFa\n\n\nb', [['a'], ['b']]],
  ['a,', [['a', '']]],
  ['', []],
])('reads %j', (text, rows) => {
  const read = parseCsv(text)
  expect('brokenLine' in read ? read : read.map(({ cells }) => cells)).toEqual(rows)
})

it.each([
  ['a,b\n"c,d\n', 2],
  ['a\n"b" c\n', 2],
  ['a b"c"\n', 1],
])('names the line in which the quotes of %j are wrong', (text, brokenLine) => {
  expect(parseCsv(text)).toEqual({ brokenLine })
})

it('knows in which line a row begins', () => {
  const rows = parseCsv('"a\nb"\nc\n\nd')
  expect('brokenLine' in rows ? [] : rows.map(({ line }) => line)).toEqual([1, 3, 5])
})

it.each(['=1+1', "'quoted", 'a,"b"\r\nc', ' x ', '-', ''])('reads %j as it was written', (text) => {
  const rows = parseCsv(csvLine([text, 'end']))
  expect('brokenLine' in rows ? rows : rows[0]!.cells).toEqual([text, 'end'])
})
