import { reasonOf, type Reason } from '../../src/core/reason.ts'
import { describe, expect, it } from 'vitest'
import {
  compareRoutes,
  replacementObjection,
  type ComparedRow,
  type Routed,
} from '../../src/core/gate/replacement.ts'
import { tangoLowerBound } from '../../src/core/gate/statistics.ts'

const rows = (...groups: [count: number, present: Routed, successor: Routed][]): ComparedRow[] =>
  groups
    .flatMap(([count, present, successor]) =>
      Array.from({ length: count }, () => ({ present, successor }))
    )
    .map((row, i) => ({ ...row, at: i, conversation: `chat-${i}` }))

const objection = (
  ...[compared, hasDrifted = false]: [compared: ComparedRow[], hasDrifted?: boolean]
): Reason | null => replacementObjection(compareRoutes(compared, 0), { margin: 0.05, hasDrifted })

const bound = (onlyNew: number, onlyReference: number): number =>
  tangoLowerBound({ pairs: 1000, onlyNew, onlyReference }, 0.05)

describe('compareRoutes', () => {
  it('has the shares of both, and bounds of the paired difference', () => {
    const figures = compareRoutes(
      rows([600, 'right', 'right'], [100, 'upstream', 'right'], [20, 'right', 'wrong'], [280, 'upstream', 'upstream']), // prettier-ignore
      0
    )
    expect(figures).toMatchObject({
      rows: 1000,
      coverage: { present: 0.62, successor: 0.72 },
      wrong: { present: 0, successor: 0.02 },
    })
    expect(figures.moreCoverage).toBe(bound(100, 0))
    expect(figures.moreWrong).toBe(-bound(0, 20))
    expect(figures.moreWrong).toBeGreaterThan(0.02)
  })

  it('takes turns of one conversation for less than as many conversations', () => {
    const single = rows([500, 'right', 'right'], [500, 'upstream', 'right'])
    const chats = single.map((row, i) => ({ ...row, conversation: `chat-${Math.floor(i / 10)}` }))
    expect(compareRoutes(chats, 0).moreCoverage).toBeLessThan(compareRoutes(single, 0).moreCoverage)
  })
})

describe('replacementObjection', () => {
  const same: Parameters<typeof rows>[number] = [600, 'right', 'right']

  it('has none against a successor that answers more and is no more often wrong', () => {
    expect(
      objection(rows(same, [60, 'upstream', 'right'], [340, 'upstream', 'upstream']))
    ).toBeNull()
  })

  it('wants more coverage to be shown, unless the present route has drifted', () => {
    const alike = rows(same, [3, 'upstream', 'right'], [2, 'right', 'upstream'], [395, 'upstream', 'upstream']) // prettier-ignore
    expect(objection(alike)).toEqual(
      reasonOf('not-more-answered', { successor: 0.603, present: 0.602 })
    )
    expect(objection(alike, true)).toBeNull()
  })

  it('allows half of the margin of further wrong answers, also after drift', () => {
    const worse = rows(same, [60, 'upstream', 'right'], [20, 'upstream', 'wrong'], [320, 'upstream', 'upstream']) // prettier-ignore
    expect(objection(worse)).toMatchObject({
      code: 'more-wrong',
      figures: { successor: 0.02, present: 0 },
    })
    expect(objection(worse, true)).toMatchObject({ code: 'more-wrong' })
    const few = rows(same, [60, 'upstream', 'right'], [9, 'upstream', 'wrong'], [331, 'upstream', 'upstream']) // prettier-ignore
    expect(objection(few)).toBeNull()
  })

  it('allows a margin of wrong answers among those that it answers more', () => {
    const wider = rows([350, 'right', 'right'], [370, 'upstream', 'right'], [30, 'upstream', 'wrong'], [250, 'upstream', 'upstream']) // prettier-ignore
    expect(objection(wider)).toBeNull()
    const worse = rows([350, 'right', 'right'], [340, 'upstream', 'right'], [60, 'upstream', 'wrong'], [250, 'upstream', 'upstream']) // prettier-ignore
    expect(objection(worse)).toMatchObject({ code: 'more-wrong' })
    const narrower = rows([600, 'right', 'right'], [30, 'right', 'wrong'], [370, 'right', 'upstream']) // prettier-ignore
    expect(objection(narrower)).toMatchObject({ code: 'more-wrong' })
  })
})
