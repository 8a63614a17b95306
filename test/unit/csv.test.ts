/** A table of values: what a program for tables would run stays a text. */
import { expect, it } from 'vitest'
import { csvLine } from '../../src/core/csv.ts'

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
