/** Answers that are streamed from their first window on: what the client gets, and what is recorded and counted. */
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { knownFacts } from '../../src/core/facts/known.ts'
import { compileRouteTable } from '../../src/core/route/route-table.ts'
import type { Route } from '../../src/core/route/route.ts'
import type { ProxyDeps } from '../../src/proxy/deps.ts'
import type { ChatChunk } from '../../src/openai/chat.ts'
import {
  AUTHORIZATION,
  chatBody,
  eventually,
  LIMITS,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type RawAnswer,
  type SendOptions,
} from '../kit/proxy/harness.ts'
import { PACED_USAGE, PacedEngine } from '../kit/proxy/paced-engine.ts'
import { withLora } from '../kit/proxy/lora.ts'
import { completion } from '../kit/records/completion.ts'
import { ANSWERS, kindsWith } from '../kit/records/route-rules.ts'

const WINDOW = Array.from({ length: 16 }, () => 'soon ')
const REST = ['it ', 'comes']
const ANSWER = [...WINDOW, ...REST].join('')
const BODY = chatBody('where is my card', { stream: true })
const EARLY = { confidence: 'first', threshold: -1, streamsEarly: true } as const

let harness: Harness
let engine: PacedEngine

const start = async (
  overrides: Partial<ProxyDeps> = {},
  route: Partial<Route> = EARLY
): Promise<void> => {
  engine = new PacedEngine()
  harness = await startHarness({ ...withLora(engine, route), ...overrides })
  await harness.send(UNMATCHED_BODY)
  harness.upstream.requests.length = 0
}

const restart = async (...parameters: Parameters<typeof start>): Promise<void> => {
  await harness.close()
  await start(...parameters)
}

beforeEach(() => start())
afterEach(() => harness.close())

/** Asks, and runs the step when the first bytes have come. */
const asked = (step: () => void, options: SendOptions = {}, body = BODY): Promise<RawAnswer> => {
  let isBegun = false
  return harness.send(body, {
    ...options,
    onData: (request) => {
      if (!isBegun) step()
      isBegun = true
      options.onData?.(request)
    },
  })
}

const chunksOf = (text: string): ChatChunk[] =>
  text
    .split('\n\n')
    .map((event) => event.slice('data: '.length))
    .filter((data) => data !== '' && data !== '[DONE]')
    .map((data) => JSON.parse(data) as ChatChunk)

const piecesOf = (text: string): string[] =>
  chunksOf(text).flatMap(({ choices }) => (choices[0]?.delta.content as string | undefined) || [])

const lastRecord = async () => (await harness.records()).at(-1)!

const counted = async (found: string): Promise<boolean> =>
  (await harness.metrics()).includes(`promptintern_early_answers_total{found="${found}"} 1`)

const namesOf = ({ rawHeaders }: RawAnswer): string[] =>
  rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase())

/** Of the request to the engine, in tokens. */
const limitOn = async (route: Partial<Route>): Promise<unknown> => {
  await restart({}, { ...route, answers: { ...ANSWERS, maxTokens: 5000 } })
  engine.say(WINDOW)
  engine.end()
  await harness.send(BODY)
  return engine.requests[0]!.max_tokens
}

describe('an answer whose first tokens are sure', () => {
  it('is sent from then on, and is recorded, remembered and saved as any other', async () => {
    engine.say(WINDOW)
    const answer = await asked(() => {
      engine.say(REST)
      engine.end()
    })
    expect(answer.complete).toBe(true)
    expect(piecesOf(answer.text)).toEqual([expect.stringMatching(/^soon /), ...REST])
    expect(piecesOf(answer.text).join('')).toBe(ANSWER)
    expect(answer.text).toMatch(/"finish_reason":"stop"\}\][^\n]*\n\ndata: \[DONE\]\n\n$/)
    const record = await lastRecord()
    expect(record).toMatchObject({
      status: 200,
      streamed: true,
      usage: PACED_USAGE,
      route: {
        outcome: 'answered',
        reason: null,
        streamedEarly: true,
        promptTokensSaved: 40,
      },
    })
    expect(record.firstByteMs!).toBeLessThan(record.durationMs)
    const { choices } = JSON.parse(record.response!) as ReturnType<typeof completion>
    expect(choices[0]).toMatchObject({ message: { content: ANSWER }, finish_reason: 'stop' })
    expect(await counted('nothing')).toBe(true)
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="answered"} 1')
  })

  it('has the headers, the beginning and the usage of one that is held back', async () => {
    const body = chatBody('where is my card', {
      stream: true,
      stream_options: { include_usage: true },
    })
    engine.say(WINDOW)
    const early = await asked(() => engine.end(), {}, body)
    await restart({ streamsEarly: false })
    engine.say(WINDOW)
    engine.end()
    const heldBack = await harness.send(body)
    const [sent, held] = [early, heldBack].map(({ text }) => chunksOf(text))
    expect(sent!.at(-1)).toMatchObject({ choices: [], usage: PACED_USAGE })
    expect(held!.at(-1)!.usage).toEqual(sent!.at(-1)!.usage)
    expect(held![0]!.choices).toEqual(sent![0]!.choices)
    expect(namesOf(early)).toEqual(namesOf(heldBack))
    expect(early.headers['content-type']).toBe(heldBack.headers['content-type'])
  })

  it('begins later where its first tokens end in the middle of a number that the request has', async () => {
    await restart({}, { ...EARLY, answers: { ...ANSWERS, facts: knownFacts([]) } })
    engine.say([...WINDOW.slice(1), 'order 10'])
    engine.say(['007', ' comes'])
    const body = chatBody('where is order 10007', { stream: true })
    const answer = await asked(() => engine.end(), {}, body)
    expect(piecesOf(answer.text)[0]).toMatch(/order 10007$/)
    expect((await lastRecord()).route).toMatchObject({ streamedEarly: true, reason: null })
  })

  it('is not cut within a character', async () => {
    const [high, low] = ['🙂'[0]!, '🙂'[1]!]
    engine.say([...WINDOW.slice(1), `a${high}`])
    const answer = await asked(() => {
      engine.say([`${low}b`, high])
      engine.say([low])
      engine.end()
    })
    const pieces = piecesOf(answer.text)
    expect(pieces.join('')).toBe(`${WINDOW.slice(1).join('')}a🙂b🙂`)
    expect(pieces.filter((piece) => /\p{Surrogate}/u.test(piece))).toEqual([])
  })

  it('that the engine cuts off at its limit says so, and so does the record', async () => {
    engine.say(WINDOW)
    const answer = await asked(() => engine.end('length'))
    expect(chunksOf(answer.text).at(-1)!.choices[0]!.finish_reason).toBe('length')
    const { route, response, status } = await lastRecord()
    expect([status, route!.outcome, route!.reason]).toEqual([200, 'answered', 'length'])
    expect(JSON.parse(response!)).toMatchObject({ choices: [{ finish_reason: 'length' }] })
    expect(await counted('length')).toBe(true)
  })

  it('has the token limit of its proof alone, which one that is held back has not', async () => {
    expect(await limitOn(EARLY)).toBe(5000)
    expect(await limitOn({ confidence: 'first', threshold: -1 })).toBe(LIMITS.adaptedMaxTokens)
  })

  it('ends although its route is removed meanwhile', async () => {
    const { routes } = withLora(engine, EARLY)
    let table = routes()
    await restart({ routes: () => table })
    engine.say(WINDOW)
    const answer = await asked(() => {
      table = compileRouteTable([])
      engine.say(REST)
      engine.end()
    })
    expect(piecesOf(answer.text).join('')).toBe(ANSWER)
  })

  it('does not begin where its route was removed before', async () => {
    const { routes } = withLora(engine, EARLY)
    let table = routes()
    await restart({ routes: () => table })
    const sending = harness.send(BODY)
    await eventually(() => engine.isWaiting)
    table = compileRouteTable([])
    engine.say(WINDOW)
    engine.end()
    const { headers, text } = await sending
    expect(headers['x-promptintern-reason']).toBe('route-gone')
    expect(JSON.parse(text)).toEqual(completion('from the upstream'))
  })

  it('waits as text while the client does not read, so that it takes few events', async () => {
    const words = 40_000
    await restart({}, { ...EARLY, answers: { ...ANSWERS, maxChars: 10 * words, maxTokens: words } })
    engine.say(WINDOW)
    const lines = [`POST /v1/chat/completions HTTP/1.1`, 'host: localhost', 'connection: close']
    const headers = [
      'content-type: application/json',
      `authorization: ${AUTHORIZATION}`,
      `content-length: ${BODY.length}`,
    ]
    const opened = harness.open(`${[...lines, ...headers].join('\r\n')}\r\n\r\n${BODY}`)
    await eventually(() => opened.text.includes('soon'))
    opened.socket.pause()
    engine.say(Array.from({ length: words }, () => 'word '))
    await eventually(() => engine.isWaiting)
    engine.end()
    await eventually(async () => (await harness.records()).length === 2)
    opened.socket.resume()
    await new Promise((resolve) => opened.socket.once('close', resolve))
    const events = opened.text.split('data: {').length
    expect(opened.text.split('word ').length - 1).toBe(words)
    expect(events).toBeLessThan(words)
    expect(opened.text).toContain('data: [DONE]')
  })
})

describe('a fault after the beginning of an answer', () => {
  it('that is in its text is recorded and counted, and the answer ends as it does', async () => {
    await restart({}, { ...EARLY, answers: { ...ANSWERS, facts: knownFacts([]) } })
    engine.say(WINDOW)
    const answer = await asked(() => {
      engine.say(['on ', '3 March 2031'])
      engine.end()
    })
    expect(answer.complete).toBe(true)
    expect(answer.text).toContain('3 March 2031')
    const { route, status } = await lastRecord()
    expect([status, route!.outcome, route!.reason]).toEqual([200, 'answered', 'invented-fact'])
    expect(await counted('invented-fact')).toBe(true)
    expect(harness.faults).toEqual([])
  })

  it('of the engine breaks the stream, says so in the record, and opens the breaker', async () => {
    await restart({ breaker: { maxFailures: 1, pauseMs: 60_000 } })
    engine.say(WINDOW)
    const answer = await asked(() => engine.die())
    expect(answer.complete).toBe(false)
    expect(answer.text).not.toContain('[DONE]')
    expect(answer.text).not.toContain('"finish_reason":"')
    const { route, status, response } = await lastRecord()
    expect(status).toBe(502)
    expect(route).toMatchObject({
      outcome: 'answered',
      reason: 'engine-error',
      promptTokensSaved: 0,
    })
    expect(JSON.parse(response!)).toMatchObject({
      choices: [{ message: { content: WINDOW.join('') }, finish_reason: null }],
    })
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['engine'])
    expect(await counted('engine-error')).toBe(true)
    const next = await harness.send(BODY)
    expect(next.headers['x-promptintern-reason']).toBe('engine-paused')
  })

  it('of the engine that comes behind the end of the answer takes nothing from it', async () => {
    engine.staysOpen = true
    engine.say(WINDOW)
    const answer = await asked(() => {
      engine.say(REST)
      engine.end()
      engine.die()
    })
    expect(answer.complete).toBe(true)
    expect(piecesOf(answer.text).join('')).toBe(ANSWER)
    expect(answer.text).toMatch(/data: \[DONE\]\n\n$/)
    const { route, status, usage } = await lastRecord()
    expect([status, route!.reason, usage]).toEqual([200, null, PACED_USAGE])
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['engine'])
  })

  it('is one where the engine does not stop at the limit of its tokens', async () => {
    await restart({}, { ...EARLY, answers: { ...ANSWERS, maxTokens: 20 } })
    engine.say(WINDOW)
    const answer = await asked(() => engine.say(Array.from({ length: 100 }, () => 'more ')))
    expect(answer.complete).toBe(false)
    expect((await lastRecord()).route!.reason).toBe('engine-error')
    expect(engine.over).toBe(1)
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['engine'])
  })

  it('is none while the engine goes on, and one where it is silent for the time limit', async () => {
    const timers = new Set<() => void>()
    await restart({
      setTimer: (_ms, run) => {
        timers.add(run)
        return () => void timers.delete(run)
      },
    })
    engine.say(WINDOW)
    const before = new Set(timers)
    const sending = asked(() => engine.say(['more ']))
    await eventually(() => engine.isWaiting && timers.size > before.size)
    const ofWindow = [...timers].filter((timer) => !before.has(timer))
    engine.say(['still more '])
    await eventually(() => ofWindow.every((timer) => !timers.has(timer)))
    const ofPause = [...timers].filter((timer) => !before.has(timer))
    // what has no token does not go on
    engine.tellUsage()
    await setImmediate()
    expect(ofPause.every((timer) => timers.has(timer))).toBe(true)
    for (const timer of timers) timer()
    expect((await sending).complete).toBe(false)
    expect((await lastRecord()).route!.reason).toBe('engine-timeout')
  })
})

it('a client that leaves stops the generation, and is recorded as one that left', async () => {
  engine.say(WINDOW)
  await harness.send(BODY, { onData: (request) => request.destroy() })
  await eventually(() => engine.over === 1)
  await eventually(async () => (await harness.records()).length === 2)
  const { status, route, response } = await lastRecord()
  expect([status, route!.outcome, route!.reason]).toEqual([499, 'answered', 'client-closed'])
  expect(JSON.parse(response!)).toMatchObject({ choices: [{ finish_reason: null }] })
  expect(await harness.metrics()).toContain(
    'promptintern_cancellations_total{phase="during-answer"} 1'
  )
  expect(harness.faults).toEqual([])
})

/** That nothing is sent before the end of an answer that goes on behind its window. */
const expectHeldBack = async (body = BODY, options: SendOptions = {}): Promise<RawAnswer> => {
  let hasBytes = false
  const sending = harness.send(body, { ...options, onData: () => (hasBytes = true) })
  engine.say([...WINDOW, ...REST])
  await eventually(() => engine.isWaiting)
  // longer than bytes take that were sent
  await harness.send(UNMATCHED_BODY)
  expect(hasBytes).toBe(false)
  engine.end()
  return sending
}

describe('an answer is held back until its end', () => {
  it.each<[string, Partial<ProxyDeps>, Partial<Route>]>([
    ['on a route whose proof does not allow it', {}, { confidence: 'first', threshold: -1 }],
    ['where the operator does not allow it', { streamsEarly: false }, EARLY],
  ])('%s', async (_, overrides, route) => {
    await restart(overrides, route)
    const answer = await expectHeldBack()
    expect(piecesOf(answer.text).join('')).toBe(ANSWER)
    expect((await lastRecord()).route!.streamedEarly).toBeUndefined()
  })

  it('for a client that does not stream', async () => {
    const { text } = await expectHeldBack(chatBody('where is my card'))
    expect(JSON.parse(text)).toMatchObject({ choices: [{ message: { content: ANSWER } }] })
  })

  it('for a client that asks for log-probabilities', async () => {
    await restart({}, { ...EARLY, kinds: kindsWith({ logprobs: true }) })
    const body = chatBody('where is my card', { stream: true, logprobs: true })
    expect((await expectHeldBack(body)).headers['x-promptintern-route']).toBe('answered')
  })

  it('where its first tokens state a fact of their own, and then is not given', async () => {
    await restart({}, { ...EARLY, answers: { ...ANSWERS, facts: knownFacts([]) } })
    const sending = harness.send(BODY)
    engine.say(['on ', '3 March 2031', ...WINDOW])
    engine.end()
    const { headers, text } = await sending
    expect(headers['x-promptintern-reason']).toBe('invented-fact')
    expect(JSON.parse(text)).toEqual(completion('from the upstream'))
  })

  it('where it ends within the window', async () => {
    engine.say(['card_lost'])
    engine.end()
    expect(piecesOf((await harness.send(BODY)).text).join('')).toBe('card_lost')
    expect((await lastRecord()).route!.streamedEarly).toBeUndefined()
  })
})

it('first tokens below the threshold bring the upstream’s bytes, and nothing before them', async () => {
  engine.say(WINDOW, -0.5)
  const { headers, text } = await harness.send(BODY)
  expect(headers['x-promptintern-route']).toBe('fallback')
  expect(headers['x-promptintern-reason']).toBe('low-confidence')
  expect(text).toBe(JSON.stringify(completion('from the upstream')))
  expect(harness.upstream.bodies()).toEqual([BODY])
  expect(engine.over).toBe(1)
})
