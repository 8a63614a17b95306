/** Models of templates that are retired soon stand above everything else. */
import { describe, expect, it } from 'vitest'
import { retirementsOf, retirementText, retiresByPrice } from '../../src/core/cost/retirements.ts'
import { DAY_MS } from '../../src/core/days.ts'

const NOW = Date.parse('2026-12-01T12:00:00Z')
const PRICE = { asOf: '2026-11-20', input: 1, cachedInput: 1, output: 1 }
const PRICES = [
  { ...PRICE, model: 'soon', deprecatedOn: '2026-12-11' },
  { ...PRICE, model: 'later', deprecatedOn: '2027-01-14' },
  { ...PRICE, model: 'far', deprecatedOn: '2027-12-01' },
  { ...PRICE, model: 'gone', deprecatedOn: '2026-11-25' },
  { ...PRICE, model: 'history', deprecatedOn: '2026-01-01' },
  { ...PRICE, model: 'stays' },
]
const RETIRES_ON = retiresByPrice(PRICES)
const MODELS = ['later', 'soon', 'later-2024-07-18', 'far', 'gone', 'history', 'stays', 'unknown']

describe('retirements', () => {
  it('are those of the next months and of the last weeks, the first one first', () => {
    expect(retirementsOf(MODELS, RETIRES_ON, NOW)).toEqual([
      { model: 'gone', on: '2026-11-25', daysLeft: -6, templates: 1 },
      { model: 'soon', on: '2026-12-11', daysLeft: 10, templates: 1 },
      { model: 'later', on: '2027-01-14', daysLeft: 44, templates: 2 },
    ])
    expect(retirementsOf(MODELS, RETIRES_ON, NOW + 400 * DAY_MS)).toEqual([])
  })

  it('are of each version of a model, whichever is named first', () => {
    const days = new Map([
      ['dated-2024-05-13', '2026-12-20'],
      ['dated-2024-08-06', '2027-02-01'],
    ])
    const retiresOn = (model: string): string | null => days.get(model) ?? null
    const models = ['dated', 'dated-2024-08-06', 'dated-2024-05-13']
    expect(retirementsOf(models, retiresOn, NOW)).toMatchObject([
      { model: 'dated', on: '2026-12-20', templates: 1 },
      { model: 'dated', on: '2027-02-01', templates: 1 },
    ])
  })

  it('are said with the days that are left', () => {
    const said = retirementsOf(MODELS, RETIRES_ON, NOW).map(retirementText)
    expect(said).toEqual([
      'was retired on 2026-11-25',
      'is retired on 2026-12-11, in 10 days',
      'is retired on 2027-01-14, in 44 days',
    ])
    const day = Date.parse('2026-12-10T01:00:00Z')
    expect(retirementText(retirementsOf(['soon'], RETIRES_ON, day)[0]!)).toMatch(/in 1 day$/)
  })
})
