/** No byte of a lora's answer is sent before the whole of it was checked. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { knownFacts } from '../../src/core/facts/known.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import {
  chatBody,
  eventually,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type RawAnswer,
} from '../kit/proxy/harness.ts'
import { PACED_USAGE, PacedEngine } from '../kit/proxy/paced-engine.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { completion } from '../kit/records/completion.ts'
import { ANSWERS } from '../kit/records/route-rules.ts'

/** More tokens than any statistic of a beginning reads. */
const TEXT = ['It ', ...Array.from({ length: 20 }, () => 'comes '), 'soon']
const BODY = chatBody('where is my card', { stream: true })
/** Of the first tokens alone. */
const SURE: Partial<Route> = { confidence: 'first', threshold: -1 }

let harness: Harness
let engine: PacedEngine

const start = async (
  overrides: Partial<ProxyDeps> = {},
  route: Partial<Route> = SURE
): Promise<void> => {
  engine = new PacedEngine()
  harness = await startHarness({ ...withLora(engine, route), ...overrides })
  await harness.send(UNMATCHED_BODY)
  harness.upstream.requests.length = 0
}

beforeEach(() => start())
afterEach(() => harness.close())

const restart = async (...parameters: Parameters<typeof start>): Promise<void> => {
  await harness.close()
  await start(...parameters)
}

/** The engine says the text; nothing may be sent until the next step. */
const held = async (texts: readonly string[], next: () => void): Promise<RawAnswer> => {
  let hasBytes = false
  const sending = harness.send(BODY, { onData: () => (hasBytes = true) })
  engine.say(texts)
  await eventually(() => engine.isWaiting)
  // longer than bytes take that were sent
  await harness.send(UNMATCHED_BODY)
  expect(hasBytes).toBe(false)
  harness.upstream.requests.length = 0
  next()
  return sending
}

const expectUpstream = (answer: RawAnswer, reason: string): void => {
  expect(answer.headers['x-promptintern-reason']).toBe(reason)
  expect(answer.text).toBe(JSON.stringify(completion('from the upstream')))
  expect(harness.upstream.bodies()).toEqual([BODY])
}

it('an answer is sent when its last token has come, and recorded', async () => {
  const { text } = await held(TEXT, () => engine.end())
  const contents = text.matchAll(/"content":"([^"]*)"/g)
  expect(Array.from(contents, ([, content]) => content).join('')).toBe(TEXT.join(''))
  expect(text).toMatch(/"finish_reason":"stop"\}\][^\n]*\n\ndata: \[DONE\]\n\n$/)
  const record = (await harness.records()).at(-1)!
  expect(record).toMatchObject({
    status: 200,
    streamed: true,
    usage: PACED_USAGE,
    route: { outcome: 'answered', reason: null },
  })
})

describe('behind sure first tokens the upstream answers where', () => {
  it('the engine dies', async () => {
    expectUpstream(await held(TEXT, () => engine.die()), 'engine-error')
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['engine'])
  })

  it('the limit of tokens cuts the answer off', async () => {
    expectUpstream(await held(TEXT, () => engine.end('length')), 'length')
  })

  it('the answer states a fact of its own', async () => {
    await restart({}, { ...SURE, answers: { ...ANSWERS, facts: knownFacts([]) } })
    const answer = await held([...TEXT, ' on ', '3 March 2031'], () => engine.end())
    expectUpstream(answer, 'invented-fact')
  })

  it('the route was removed meanwhile', async () => {
    let { routes } = withLora(engine, SURE)
    await restart({ routes: () => routes() })
    ;({ routes } = withLora(engine, SURE))
    const answer = await held(TEXT, () => {
      routes = () => compileRouteTable([])
      engine.end()
    })
    expectUpstream(answer, 'route-gone')
  })

  it('its first tokens are not sure, which ends the generation', async () => {
    engine.say(TEXT, -0.5)
    expectUpstream(await harness.send(BODY), 'low-confidence')
    expect(engine.over).toBe(1)
  })
})
