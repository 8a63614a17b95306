/** Answers that are streamed before their end is known: what a proof counts, and which may begin. */
import { describe, expect, it } from 'vitest'
import { knownFacts } from '../../src/core/facts/known.ts'
import { DEFER_ANSWER } from '../../src/core/answer/outcome.ts'
import { routedBy } from '../../src/core/gate/replacement.ts'
import { decideOn, type DecisionFacts } from '../../src/core/proof/decision-facts.ts'
import { LogprobReader } from '../../src/core/route/confidence.ts'
import { asStreamed, earlyText, mayBegin, factRule } from '../../src/core/route/early.ts'
import type { Match } from '../../src/core/template/template.ts'
import { exampleTemplate } from '../kit/records/examples.ts'
import { exampleFacts } from '../kit/records/facts.ts'
import { cpuMsOf } from '../kit/linear.ts'
import { heldOutRow } from '../kit/records/held-out-row.ts'
import { ANSWERS } from '../kit/records/route-rules.ts'

describe('an answer of a route that streams early', () => {
  it.each(['length', 'too-long', 'invented-fact', 'not-a-call', 'engine-error', 'of-tomorrow'])(
    'is given and disagrees where %s is found in it',
    (deferred) => {
      const row = heldOutRow(1, { agrees: true, agreesToday: true, deferred })
      expect(asStreamed(row)).toEqual({
        ...row,
        agrees: false,
        agreesToday: false,
        deferred: null,
        foundLate: deferred,
      })
    }
  )

  it.each(['kind-not-proven', 'engine-refused', 'deferred', 'empty', 'no-logprobs', null])(
    'is as it was with the reason %s, which is known before a token is sent',
    (deferred) => {
      const row = heldOutRow(1, { deferred })
      expect(asStreamed(row)).toBe(row)
    }
  )

  it('has no answer of today where none was bought', () => {
    expect(asStreamed(heldOutRow(1, { deferred: 'length' })).agreesToday).toBeNull()
  })
})

const MATCH: Match = {
  template: exampleTemplate(),
  slots: {},
  examples: {},
  turns: [],
  query: 'When?',
}

const begins = (text: string, answers = ANSWERS): boolean =>
  mayBegin(text, factRule(MATCH, answers))

describe('the beginning of an answer', () => {
  it.each(['', ' \n', '[[up', DEFER_ANSWER, ` ${DEFER_ANSWER}\n`, '[[call', '[[call]] refund {}'])(
    '%j waits: it may be no text',
    (text) => expect(begins(text)).toBe(false)
  )

  it.each(['Your card', `${DEFER_ANSWER} is what I say`, '[1] see'])('%j is sent', (text) =>
    expect(begins(text)).toBe(true)
  )

  it('waits where it states a fact of its own', () => {
    const answers = { ...ANSWERS, facts: knownFacts([]) }
    expect(begins('On 3 March 2031', answers)).toBe(false)
    expect(begins('On time', answers)).toBe(true)
  })
})

it('beginnings of one answer take the time of a long request once', () => {
  const query = Array.from({ length: 1_000 }, (_, at) => `Order ${at} of Anna, on 3 March.`).join(
    '\n'
  )
  const answers = { ...ANSWERS, facts: knownFacts([]) }
  const beginnings = Array.from({ length: 16 }, (_, at) => `Dear Anna, your order 999${at}`)
  const measure = (texts: readonly string[]): number => {
    const faultOf = factRule({ ...MATCH, query }, answers)
    return cpuMsOf(() => {
      for (const text of texts) expect(mayBegin(text, faultOf)).toBe(false)
    })
  }
  measure(beginnings)
  const fastest = (texts: readonly string[]): number =>
    Math.min(...[1, 2, 3, 4, 5].map(() => measure(texts)))
  expect(fastest(beginnings)).toBeLessThan(8 * fastest(beginnings.slice(0, 1)))
})

it('the sum of the first tokens is known from the sixteenth on', () => {
  const reader = new LogprobReader()
  for (let i = 1; i < 16; i++) reader.add(-0.1)
  expect(reader.isFirstKnown).toBe(false)
  reader.add(-0.1)
  expect(reader.isFirstKnown).toBe(true)
  const known = reader.confidence('first')
  reader.add(-5)
  expect(reader.confidence('first')).toBe(known)
})

/** One arm; one answer in `every` is sure and has a fault behind its first tokens. */
const facts = (every: number, streamsEarly: boolean): DecisionFacts => {
  const example = exampleFacts({}, { rows: 800, loss: 0 })
  const [arm] = example.arms
  return {
    ...example,
    favouredArm: null,
    arms: [
      {
        ...arm!,
        arm: 'query-only',
        statistic: 'first',
        ...(streamsEarly && { streamsEarly }),
        answers: arm!.answers.map((answer, i) => {
          if (answer === null) return null
          const first = answer.logprobMin ?? 0
          const isBroken = i % every === 0
          return {
            ...answer,
            agrees: answer.agrees && !isBroken,
            agreesToday: answer.agrees && !isBroken,
            longLogprobs: { mean: first, window: first, first },
            deferred: isBroken ? 'invented-fact' : null,
          }
        }),
      },
    ],
  }
}

describe('a proof of answers that break behind their first tokens', () => {
  it('counts them as losses where they are streamed, and rejects too many', () => {
    const heldBack = decideOn(facts(8, false))
    expect(heldBack.verdict).toBe('promote')
    expect(heldBack.arms[0]).toMatchObject({ deferred: { 'invented-fact': 100 } })
    const streamed = decideOn(facts(8, true))
    expect(streamed.verdict).toBe('reject')
    expect(streamed.arms[0]).toMatchObject({
      deferred: {},
      streamsEarly: true,
      foundLate: { 'invented-fact': 100 },
      threshold: null,
    })
  })

  it('allows for few of them, with a smaller agreement', () => {
    const [heldBack, streamed] = [decideOn(facts(100, false)), decideOn(facts(100, true))]
    expect(streamed.verdict).toBe('promote')
    expect(streamed.arms[0]!.agreement).toBeLessThan(heldBack.arms[0]!.agreement)
    expect(heldBack.arms[0]!.streamsEarly).toBeUndefined()
  })
})

it('a route that streams early answers such a request wrong, beside a successor', () => {
  const answer = heldOutRow(1, { deferred: 'length', logprobSum: -0.1 })
  const route = { confidence: 'sum', threshold: -1 } as const
  expect(routedBy(route, answer)).toBe('upstream')
  expect(routedBy({ ...route, streamsEarly: true }, answer)).toBe('wrong')
})

it('early answers are told from the first one on', () => {
  expect(earlyText({ answers: 0, faults: 0 })).toBeNull()
  expect(earlyText({ answers: 1200, faults: 3 })).toBe(
    'Answers that were streamed before their end was known: 1200. With a fault that was found afterwards: 3.'
  )
})
