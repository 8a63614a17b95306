import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createBodyBudget, type BodyBudget } from '../../src/proxy/client/body-budget.ts'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  send,
  startHarness,
  type Harness,
  type RawAnswer,
} from '../kit/proxy/harness.ts'

const ROOM = 10_000

let now = 0
let bodies: BodyBudget
let harness: Harness

beforeEach(async () => {
  bodies = createBodyBudget(ROOM, () => now)
  harness = await startHarness({ bodies })
})
afterEach(() => harness.close())

const large = chatBody('x'.repeat(2 * ROOM))

const sendChunked = (body: string): Promise<RawAnswer> =>
  harness.send(null, {
    headers: { 'transfer-encoding': 'chunked' },
    onRequest: (request) => {
      for (let at = 0; at < body.length; at += 1000) request.write(body.slice(at, at + 1000))
    },
  })

const isFree = (): boolean => bodies.inUse() === 0

/** Has nearly all of the room taken by a request that the upstream does not answer. */
const fillWhileAnswered = async () => {
  const { upstream } = harness
  const respond = upstream.respond
  upstream.respond = () => {}
  const waiting = harness.send(chatBody('x'.repeat(ROOM - 500)))
  await eventually(() => upstream.requests.length === 1)
  upstream.respond = respond
  return { waiting }
}

describe('a body that does not fit into memory', () => {
  it.each([
    ['with its length', () => harness.send(large)],
    ['in chunks', () => sendChunked(large)],
  ])('is streamed to the upstream unread and unlogged, %s', async (_, ask) => {
    const answer = await ask()
    expect(answer.status).toBe(200)
    expect(harness.upstream.bodies()[0]).toBe(large)
    expect(await harness.records()).toEqual([])
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="unread"} 1')
    await eventually(isFree)
  })

  it('reaches the upstream as it is, where it comes byte by byte', async () => {
    const body = chatBody('abc'.repeat(1000))
    const answer = await harness.send(null, {
      headers: { 'transfer-encoding': 'chunked' },
      onRequest: (request) => {
        request.cork()
        for (const character of body) request.write(character)
        request.uncork()
      },
    })
    expect(answer.status).toBe(200)
    expect((await harness.records()).map(({ request }) => request)).toEqual([body])
    expect(harness.upstream.bodies()[0]).toBe(body)
  })

  it('does not keep those that fit from being read', async () => {
    const { waiting } = await fillWhileAnswered()
    await harness.send(chatBody('x'.repeat(1000)))
    await harness.send(chatBody('hi'))
    expect(await harness.records()).toHaveLength(1)
    harness.upstream.close()
    await waiting
    await eventually(isFree)
  })
})

/** A request of which no more comes than these bytes. */
const begin = (declared: number, sent: string) =>
  harness.open(
    `POST ${CHAT_PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-length: ${declared}\r\n\r\n`,
    sent
  )

describe('a length that is declared', () => {
  it('takes no room: eight that send nothing do not keep others from being read', async () => {
    const silent = Array.from({ length: 8 }, () => begin(ROOM, ''))
    await eventually(() => harness.deps.load.inFlight === 8)
    expect(bodies.inUse()).toBe(0)
    const body = chatBody('x'.repeat(ROOM / 2))
    expect((await harness.send(body)).status).toBe(200)
    expect((await harness.records()).map(({ request }) => request)).toEqual([body])
    for (const { socket } of silent) socket.destroy()
  })

  it('is not reserved: of half-sent uploads only the one without room is unread', async () => {
    const body = chatBody('x'.repeat(ROOM * 0.8))
    const half = body.length / 2
    const uploads: ReturnType<typeof begin>[] = []
    for (const before of [0, half, 2 * half]) {
      await eventually(() => bodies.inUse() === before)
      uploads.push(begin(body.length, body.slice(0, half)))
    }
    // the one without room first: the others do not wait for it
    for (const { socket } of uploads.toReversed()) socket.write(body.slice(half))
    await eventually(() => uploads.every(({ text }) => text.includes('from the upstream')))
    const received = harness.upstream.bodies()
    expect(received).toEqual([body, body, body])
    for (const { socket } of uploads) socket.destroy()
    await eventually(isFree)
  })
})

const ask = () => harness.send(chatBody('x'.repeat(1000)))
const fill = async () => {
  const stalled = [1, 2].map(() => begin(ROOM, 'x'.repeat(ROOM / 2 - 100)))
  await eventually(() => bodies.inUse() === ROOM - 200)
  return stalled
}

describe('bodies that fill the memory and arrive no more', () => {
  it('are ended, so that others are read', async () => {
    const stalled = await fill()
    expect((await ask()).status).toBe(200)
    expect(await harness.records()).toHaveLength(0)
    now += 10_000
    expect((await ask()).status).toBe(200)
    await eventually(() => stalled.every(({ text }) => text.startsWith('HTTP/1.1 408')))
    expect(await harness.records()).toHaveLength(1)
    expect(await harness.metrics()).toContain('promptintern_requests_total{route="shed"} 2')
    await eventually(isFree)
  })

  it('are given time after the memory was found full', async () => {
    const stalled = await fill()
    now += 60_000
    await ask()
    now += 9_000
    await ask()
    expect(await harness.records()).toHaveLength(0)
    expect(stalled.map(({ text }) => text)).toEqual(['', ''])
    for (const { socket } of stalled) socket.destroy()
    await eventually(isFree)
  })

  it('free their memory once where one of them goes on', async () => {
    const [one] = await fill()
    await ask()
    now += 10_000
    one!.socket.write('x'.repeat(1000))
    await eventually(isFree)
    expect((await ask()).status).toBe(200)
    expect(await harness.records()).toHaveLength(1)
  })

  it('are not ended while an upstream takes its time', async () => {
    const { waiting } = await fillWhileAnswered()
    await ask()
    now += 10_000
    await ask()
    expect(await harness.records()).toHaveLength(0)
    harness.upstream.close()
    await waiting
    await eventually(isFree)
  })
})

describe('the room of a body', () => {
  it('is held while it is answered and then free again', async () => {
    let held = 0
    const { upstream } = harness
    const respond = upstream.respond
    upstream.respond = (...exchange) => {
      held = bodies.inUse()
      respond(...exchange)
    }
    const body = chatBody('hi')
    await harness.send(body)
    expect(held).toBe(body.length)
    await eventually(isFree)
  })

  it('is free again when the client leaves, in the body or before the answer', async () => {
    const body = chatBody('hi')
    await expect(
      harness.send(null, {
        headers: { 'content-length': body.length },
        onRequest: (request) => {
          request.write(body.slice(0, 10))
          void eventually(() => bodies.inUse() > 0).then(() => request.destroy())
        },
      })
    ).rejects.toThrow()
    await eventually(isFree)
    harness.upstream.respond = () => {}
    await harness.leave(() => harness.upstream.requests.length > 0)
    await eventually(isFree)
  })

  it('is free again when the upstream fails and when the body is refused', async () => {
    harness.upstream.close()
    expect((await harness.send(chatBody('hi'))).status).toBe(502)
    await eventually(isFree)
    const limits = { ...harness.deps.limits, maxBodyBytes: 100 }
    const strict = await startHarness({ bodies, limits })
    expect((await send(strict.port, chatBody('x'.repeat(200)))).status).toBe(413)
    await eventually(isFree)
    await strict.close()
  })

  it('stays within its limit with hundreds of large bodies at once', async () => {
    let most = 0
    harness.upstream.respond = (_request, response) => {
      most = Math.max(most, bodies.inUse())
      setTimeout(() => response.end('{}'), 20)
    }
    const body = chatBody('x'.repeat(3000))
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => harness.send(body, { path: CHAT_PATH }))
    )
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(ROOM)
    await eventually(isFree)
  })
})
