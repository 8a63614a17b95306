import { describe, expect, it } from 'vitest'
import type { CurveTarget } from '../../src/core/gate/learning-curve.ts'
import type { Internalization } from '../../src/core/internalization/internalization.ts'
import { learningCurveText } from '../../src/cli/verdict-text.ts'
import { curveText, type CurveWork } from '../../src/lifecycle/learning-curve.ts'

const target = (coverage: number, changes: Partial<CurveTarget> = {}): CurveTarget => ({
  coverage,
  rows: 2_317,
  interval: [1_905, 3_600],
  likelyRows: 2_900,
  ...changes,
})

const workOf = (...targets: CurveTarget[]): CurveWork => ({
  fits: [{ rows: 750, results: [], isJudged: true }],
  planned: 1,
  curve: {
    points: [
      { rows: 750, agreement: 0.7, losses: targets.map(() => 0.12) },
      { rows: 1_500, agreement: 0.8, losses: targets.map(() => null) },
    ],
    targets,
  },
  failure: null,
})

type Judged = Pick<Internalization, 'verdict'>

const judged = (verdict: 'promote' | 'reject', coverage = 0): Judged =>
  ({ verdict: { verdict, arm: 0, arms: [{ coverage }] } }) as unknown as Judged

const said = (work: CurveWork, row = judged('reject')): string => curveText(work, row).join('\n')

describe('what a learning curve says', () => {
  it('tells a rejected template how many more exchanges it needs, in two digits', () => {
    expect(said(workOf(target(0.2)))).toBe(
      'about 820 more exchanges with new questions are needed for 20.0 % coverage (410 to 2,100)'
    )
  })

  it('tells of the least coverage and of a half', () => {
    const work = workOf(target(0.2), target(0.3), target(0.5), target(0.6))
    expect(
      curveText(work, judged('reject')).map((text) => /([\d.]+) % coverage/.exec(text)![1])
    ).toEqual(['20.0', '50.0'])
  })

  it('tells a route of the next coverages', () => {
    const work = workOf(target(0.2), target(0.3), target(0.5), target(0.6), target(0.7))
    expect(said(work, judged('promote', 0.45))).toMatch(/50\.0 % coverage.*\n.*60\.0 % coverage/)
  })

  it('has no upper end where the interval has none', () => {
    expect(said(workOf(target(0.2, { interval: [1_905, null] })))).toContain(
      '(410 to more than eight times the rows)'
    )
  })

  it.each([
    [{ rows: 1_500, interval: [1_500, 2_000] }, 'the 1,500 questions to learn from are enough'],
    [
      { rows: null, interval: [9_000, null] },
      'more than eight times the rows are needed (at least 7,500 more)',
    ],
    [{ rows: null, interval: [null, null] }, 'more exchanges alone are probably not enough'],
  ] as [Partial<CurveTarget>, string][])('of %j: %s', (changes, text) => {
    expect(said(workOf(target(0.2, changes)))).toContain(text)
  })

  it('says how far it is, why it failed, and that no coverage is left', () => {
    expect(said({ ...workOf(), curve: null })).toContain('1 of 1 trainings')
    expect(said({ ...workOf(), failure: 'no disk' })).toBe('no learning curve: no disk')
    expect(said(workOf(target(0.5)), judged('promote', 0.8))).toContain('shows no gain in coverage')
  })

  it('has a table with a line for each training', () => {
    const lines = learningCurveText(workOf(target(0.2)), judged('reject')).split('\n')
    expect(lines[0]).toMatch(/trained on +agreement +loss at 20\.0 %/)
    expect(lines.some((line) => /750 +70\.0 % +12\.0 %/.test(line))).toBe(true)
    expect(lines.some((line) => /1500 +80\.0 %/.test(line))).toBe(true)
  })
})
