/** Who answers a request of a live route: the lora, the upstream, or the upstream for an audit. */
import { describe, expect, it } from 'vitest'
import type { Route } from '../../src/core/route/route.ts'
import type { Match } from '../../src/core/template/template.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import { createPositions } from '../../src/proxy/lora/router.ts'
import { FakeLora, LORA_ANSWER, withLora } from '../kit/proxy/lora.ts'
import { TEMPLATE } from '../kit/proxy/lora-route.ts'
import { chatBody, UNMATCHED_BODY, startHarness } from '../kit/proxy/harness.ts'

const SIX = [0, 0.04, 0.05, 0.5, 0.94, 0.96]

/** @returns route, reason and text of the answer to one request for each of the random numbers */
const answers = async (route: Partial<Route>, overrides: Partial<ProxyDeps> = {}) => {
  const numbers = [...SIX]
  const lora = new FakeLora()
  const harness = await startHarness({
    ...withLora(lora, route),
    random: () => numbers.shift()!,
    ...overrides,
  })
  await harness.send(UNMATCHED_BODY)
  const given: string[] = []
  for (const _ of SIX) {
    const { headers, body } = await harness.send(chatBody('where is my card'))
    const text = body.toString().includes(LORA_ANSWER) ? 'lora' : 'upstream'
    given.push(`${headers['x-promptintern-route']} ${headers['x-promptintern-reason'] ?? text}`)
  }
  const records = (await harness.records()).slice(1)
  harness.close()
  return { given, records, asked: lora.asked.length }
}

describe('a live route', () => {
  it('gives the beginning of the traffic to the lora and the end to audits', async () => {
    const { given, records, asked } = await answers({ trafficShare: 0.05, auditShare: 0.05 })
    expect(given).toEqual([
      'answered lora',
      'answered lora',
      'skipped traffic-share',
      'skipped traffic-share',
      'skipped traffic-share',
      'skipped audit',
    ])
    expect(asked).toBe(2)
    expect(records.map(({ route }) => route?.reason ?? null).slice(-2)).toEqual([
      'traffic-share',
      'audit',
    ])
  })

  it('logs with an audit the part at which it was drawn, where not all are made', async () => {
    for (const [auditPart, logged] of [
      [0.25, 0.25],
      [1, null],
    ]) {
      const shares = { trafficShare: 0.5, auditShare: 0.3, auditPart: auditPart! }
      const parts = (await answers(shares)).records.map(({ route }) => route?.auditPart ?? null)
      expect(parts).toEqual([null, null, null, null, logged, logged])
    }
  })

  it('answers nothing in the shadow stage', async () => {
    const { given, asked } = await answers({ trafficShare: 0, auditShare: 1 })
    expect(new Set(given)).toEqual(new Set(['skipped audit']))
    expect(asked).toBe(0)
  })

  it('audits nothing that is not logged', async () => {
    const { given } = await answers({ trafficShare: 0, auditShare: 1 }, { isCaptured: () => false })
    expect(new Set(given)).toEqual(new Set(['skipped traffic-share']))
  })

  it.each<[string, Partial<Route>, string]>([
    ['a kind that was not proven', { kinds: { traits: [], values: [], maxChars: 9 } }, 'kind-not-proven'], // prettier-ignore
  ])('audits nothing that the route would not answer: %s', async (_case, route, reason) => {
    const { given } = await answers({ trafficShare: 0, auditShare: 1, ...route })
    expect(new Set(given)).toEqual(new Set([`skipped ${reason}`]))
  })

  it('audits while its engine is missing, because the lora answers later', async () => {
    const { given } = await answers({ trafficShare: 0, auditShare: 1 }, { engines: new Map() })
    expect(new Set(given)).toEqual(new Set(['skipped audit']))
  })
})

const matchOf = (query: string, turns: string[], maxTurnsAfter = 4): Match => ({
  template: { ...TEMPLATE, maxTurnsAfter },
  slots: {},
  examples: {},
  query,
  turns: turns.map((content, i) => ({ role: i % 2 === 0 ? 'assistant' : 'user', content })),
})

const counting = () => {
  let calls = 0
  return () => (calls++ % 10) / 10
}

describe('the position of a request', () => {
  it('is drawn for each request of a template without later turns', () => {
    const positionOf = createPositions(counting())
    const drawn = Array.from({ length: 5 }, () => positionOf('a', matchOf('q', [], 0)))
    expect(drawn).toEqual([0, 0.1, 0.2, 0.3, 0.4])
  })

  it('stays the same over the turns of a conversation', () => {
    const positionOf = createPositions(counting())
    positionOf('a', matchOf('other', []))
    expect(positionOf('a', matchOf('q', []))).toBe(0.1)
    expect(positionOf('a', matchOf('q', ['yes', 'and?']))).toBe(0.1)
    expect(positionOf('a', matchOf('q', ['yes', 'and?', 'no', 'why?']))).toBe(0.1)
    expect(positionOf('b', matchOf('q', ['yes', 'and?']))).not.toBe(0.1)
  })

  it('needs no memory for later turns, so that every proxy gives them the same', () => {
    const turns = ['yes', 'and?']
    const one = createPositions(counting())('a', matchOf('q', turns))
    const other = createPositions(() => 0.7)('a', matchOf('q', [...turns, 'no', 'why?']))
    expect(one).toBe(other)
    const positionOf = createPositions(() => 0)
    const spread = Array.from({ length: 2000 }, (_, i) => positionOf('a', matchOf(`q${i}`, turns)))
    for (const share of [0.1, 0.5, 0.9])
      expect(
        Math.abs(spread.filter((position) => position < share).length / 2000 - share)
      ).toBeLessThan(0.05)
  })
})
