/** Times as people write them. */
import { expect, it } from 'vitest'
import { timeSpanOf } from '../../src/core/days.ts'

const at = (text: string): number => Date.parse(`${text}Z`)

it.each([
  ['2026-11-29', '2026-11-29T00:00:00', '2026-11-29T23:59:59.999'],
  [' 2026-11-29 10:00Z ', '2026-11-29T10:00:00', '2026-11-29T10:00:59.999'],
  ['2026-11-29T10:00:30.5', '2026-11-29T10:00:30', '2026-11-29T10:00:30.999'],
  ['2028-02-29', '2028-02-29T00:00:00', '2028-02-29T23:59:59.999'],
])('%j is the whole of its day, minute or second', (text, from, until) => {
  expect(timeSpanOf(text)).toEqual({ from: at(from), until: at(until) })
})

it.each([
  '',
  'x',
  '2026-13-01',
  '2026-11-29T10:60',
  '2026-02-30',
  '2026-04-31T10:00',
  '99999-01-01',
])('%j is none', (text) => {
  expect(timeSpanOf(text)).toBeNull()
})
