/** What becomes of a template's answers with another model. */
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NO_FOLDS, type Comparison } from '../../src/core/answer/agreement.ts'
import type { Outcome } from '../../src/core/answer/outcome.ts'
import { createBudget } from '../../src/core/move/budget.ts'
import {
  moveReport,
  shareInterval,
  type ModelAnswer,
  type MovedRequest,
} from '../../src/core/move/move-report.ts'
import { seededRandom } from '../../src/random.ts'

const LABELS: Comparison = { responseType: 'label', folds: NO_FOLDS }
const JSON_ANSWERS: Comparison = { responseType: 'json', folds: NO_FOLDS }

const text = (said: string): Outcome => ({ kind: 'text', text: said })
const answer = (outcome: Outcome, changed: Partial<ModelAnswer> = {}): ModelAnswer => ({
  outcome,
  ms: 100,
  usd: 0.001,
  ...changed,
})
const moved = (old: string, fresh: string | Outcome): MovedRequest => ({
  old: answer(text(old)),
  new: answer(typeof fresh === 'string' ? text(fresh) : fresh, { ms: 50, usd: 0.0001 }),
})

describe('a report on a move', () => {
  it('has the agreement with its interval, costs and latency of both models', () => {
    const rows = [...Array.from({ length: 9 }, () => moved('red', 'red')), moved('red', 'blue')]
    const report = moveReport(rows, LABELS, ['red', 'blue'])
    expect(report).toMatchObject({
      requests: 10,
      agreement: 0.9,
      old: { ms: 100, usdPerMillion: expect.closeTo(1_000) as number, chars: 3 },
      new: { ms: 50, usdPerMillion: expect.closeTo(100) as number, chars: 3 },
      differences: [{ kind: 'label', old: 'red', new: 'blue', requests: 1 }],
      isFreeText: false,
    })
    // 9 of 10, by the beta distribution
    expect(report.agreementLower).toBeCloseTo(0.555, 3)
    expect(report.agreementUpper).toBeCloseTo(0.9975, 4)
  })

  it('groups differences by what they are', () => {
    const rows: MovedRequest[] = [
      moved('red', 'blue'),
      moved('red', 'blue'),
      moved('red', 'It is red.'),
      moved('red', { kind: 'refusal' }),
      { old: answer(text('red')), new: { refused: '400: no temperature', ms: 5 } },
    ]
    const { differences, agreement } = moveReport(rows, LABELS, ['red', 'blue'])
    expect(agreement).toBe(0)
    expect(differences).toEqual([
      { kind: 'label', old: 'red', new: 'blue', requests: 2 },
      { kind: 'label', old: 'red', new: 'none of the labels', requests: 1 },
      { kind: 'outcome', old: 'text', new: 'refusal', requests: 1 },
      { kind: 'refused', old: 'text', new: '400: no temperature', requests: 1 },
    ])
  })

  it('names the members of JSON that differ, and another format', () => {
    const rows = [
      moved('{"a":1,"b":{"c":[{"d":1},{"d":2}]}}', '{"a":2,"b":{"c":[{"d":1},{"d":3}]}}'),
      moved('{"a":1}', '{"a":1,"e":null}'),
      moved('{"a":1}', 'Sure: {"a":1}'),
      moved('{"b":2,"a":1}', '{"a": 1, "b": 2}'),
    ]
    const { differences, agreement } = moveReport(rows, JSON_ANSWERS, null)
    expect(agreement).toBe(0.25)
    expect(differences.map(({ kind, old, requests }) => [kind, old, requests])).toEqual([
      ['field', 'a', 1],
      ['field', 'b.c[].d', 1],
      ['field', 'e', 1],
      ['format', 'JSON', 1],
    ])
  })

  it('says of written answers that equality says little', () => {
    const comparison: Comparison = { responseType: 'free-text', folds: NO_FOLDS }
    const report = moveReport([moved('Hello.', 'Hi!')], comparison, null)
    expect(report).toMatchObject({
      isFreeText: true,
      differences: [{ kind: 'text', requests: 1 }],
    })
  })
})

describe('the interval of an agreement', () => {
  it.each([0, 0.02, 0.08, 0.2])('has the truth where %d of the answers differ', (differing) => {
    const random = seededRandom(44)
    const DRAWS = 200
    let within = 0
    for (let draw = 0; draw < DRAWS; draw++) {
      const rows = Array.from({ length: 300 }, () =>
        moved('red', random() < differing ? 'blue' : 'red')
      )
      const { agreementLower, agreementUpper } = moveReport(rows, LABELS, ['red', 'blue'])
      if (agreementLower <= 1 - differing && 1 - differing <= agreementUpper) within++
    }
    expect(within / DRAWS).toBeGreaterThanOrEqual(0.95)
  })

  it('is nearly all that is possible of a single request', () => {
    expect(shareInterval(1, 1)[1]).toBe(1)
    expect(shareInterval(1, 1)[0]).toBeCloseTo(0.025)
    expect(shareInterval(0, 1)[0]).toBe(0)
  })
})

describe('a budget', () => {
  it('is exceeded by one request at most, however many are sent at once', () => {
    const request = fc.record({
      bound: fc.oneof(fc.double({ min: 0.01, max: 1, noNaN: true }), fc.constant(Infinity)),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    })
    const limits = fc.double({ min: 0.01, max: 3, noNaN: true })
    fc.assert(
      fc.property(fc.array(request, { minLength: 1 }), limits, (all, limit) => {
        const budget = createBudget(limit)
        const open = all.map(({ bound, part }) => ({ bound, usd: part * Math.min(bound, 2) }))
        const underway: typeof open = []
        let last = 0
        for (;;) {
          while (open.length > 0 && underway.length < 4 && budget.mayStart(open[0]!.bound)) {
            budget.start(open[0]!.bound)
            underway.push(open.shift()!)
          }
          const ended = underway.shift()
          if (ended === undefined) break
          budget.end(ended.bound, ended.usd)
          last = Math.max(last, ended.usd)
        }
        expect(budget.spentUsd).toBeLessThanOrEqual(limit + last)
        if (open.length > 0) expect(budget.spentUsd).toBeGreaterThanOrEqual(limit)
      }),
      { numRuns: 500 }
    )
  })

  it('lets a request without a bound go alone, and none after its end', () => {
    const budget = createBudget(1)
    expect(budget.mayStart(Infinity)).toBe(true)
    budget.start(Infinity)
    expect(budget.mayStart(0.01)).toBe(false)
    budget.end(Infinity, 0.9)
    expect(budget.mayStart(0.3)).toBe(true)
    budget.start(0.3)
    expect(budget.mayStart(0.3)).toBe(false)
    budget.end(0.3, 0.2)
    expect(budget.spentUsd).toBeCloseTo(1.1)
    expect(budget.mayStart(0)).toBe(false)
  })
})
