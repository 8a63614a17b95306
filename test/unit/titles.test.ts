import { describe, expect, it } from 'vitest'
import { titlesOf } from '../../src/cli/titles.ts'

const ONE = '0123456789abcdef'.repeat(2)
/** Of one text: a template for all callers and that of one of them have twenty digits in common. */
const SIBLING = `${ONE.slice(0, 20)}fedcba987654`
const OTHER = 'f'.repeat(32)

const titles = titlesOf(
  new Map([
    [ONE, 'routing step, Northwind Pay'],
    [SIBLING, 'routing step, Northwind Pay'],
    [OTHER, 'ffffffff'],
  ])
)

describe('the title of a template', () => {
  it('has eight characters of its id, or as many as tell it apart', () => {
    expect([OTHER, ONE, SIBLING].map(titles.id)).toEqual([
      'ffffffff',
      '0123456789abcdef01234',
      '0123456789abcdef0123f',
    ])
  })

  it('has the name behind it, unless that is the id', () => {
    expect(titles.title(ONE)).toBe('0123456789abcdef01234 (routing step, Northwind Pay)')
    expect(titles.title(OTHER)).toBe('ffffffff')
  })

  it('shows the control characters of a name, and is the start of an id that is not known', () => {
    expect(titlesOf(new Map([[OTHER, 'a\u001b[2J\nb']])).title(OTHER)).toBe(
      String.raw`ffffffff (a\u001b[2J\nb)`
    )
    expect(titles.title('e'.repeat(32))).toBe('eeeeeeee')
  })
})
