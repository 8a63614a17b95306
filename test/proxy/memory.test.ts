import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createBodyBudget, type BodyBudget } from '../../src/proxy/body-budget.ts'
import {
  CHAT_PATH,
  chatBody,
  eventually,
  send,
  startHarness,
  type Harness,
  type RawAnswer,
} from './harness.ts'

const ROOM = 10_000

let bodies: BodyBudget
let harness: Harness

beforeEach(async () => {
  bodies = createBodyBudget(ROOM)
  harness = await startHarness({ bodies })
})
afterEach(() => harness.close())

const large = chatBody('x'.repeat(2 * ROOM))

const sendChunked = (body: string): Promise<RawAnswer> =>
  send(harness.port, null, {
    headers: { 'transfer-encoding': 'chunked' },
    onRequest: (request) => {
      for (let at = 0; at < body.length; at += 1000) request.write(body.slice(at, at + 1000))
    },
  })

const isFree = (): boolean => bodies.inUse() === 0

describe('a body that there is no room for', () => {
  it.each([
    ['with its length', () => send(harness.port, large)],
    ['in chunks', () => sendChunked(large)],
  ])('is streamed to the upstream unread and unlogged, %s', async (_, ask) => {
    const answer = await ask()
    expect(answer.status).toBe(200)
    expect(harness.upstream.requests[0]?.body.toString()).toBe(large)
    expect(await harness.records()).toEqual([])
    expect(await harness.registry.metrics()).toContain(
      'promptintern_requests_total{route="unread"} 1'
    )
    await eventually(isFree)
  })

  it('does not keep those that fit from being read', async () => {
    const { upstream } = harness
    const respond = upstream.respond
    upstream.respond = () => {}
    const waiting = send(harness.port, chatBody('x'.repeat(ROOM - 500)))
    await eventually(() => upstream.requests.length === 1)
    upstream.respond = respond
    await send(harness.port, chatBody('x'.repeat(1000)))
    await send(harness.port, chatBody('hi'))
    expect(await harness.records()).toHaveLength(1)
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
    await send(harness.port, body)
    expect(held).toBe(body.length)
    await eventually(isFree)
  })

  it('is free again when the client leaves, in the body or before the answer', async () => {
    const body = chatBody('hi')
    await expect(
      send(harness.port, null, {
        headers: { 'content-length': body.length },
        onRequest: (request) => {
          request.write(body.slice(0, 10))
          void eventually(() => bodies.inUse() > 0).then(() => request.destroy())
        },
      })
    ).rejects.toThrow()
    await eventually(isFree)
    harness.upstream.respond = () => {}
    await expect(
      send(harness.port, body, {
        onRequest: (request) =>
          void eventually(() => harness.upstream.requests.length > 0).then(() => request.destroy()),
      })
    ).rejects.toThrow()
    await eventually(isFree)
  })

  it('is free again when the upstream fails and when the body is refused', async () => {
    harness.upstream.close()
    expect((await send(harness.port, chatBody('hi'))).status).toBe(502)
    await eventually(isFree)
    const limits = { ...harness.deps.limits, maxBodyBytes: 100 }
    const strict = await startHarness({ bodies, limits })
    expect((await send(strict.port, chatBody('x'.repeat(200)))).status).toBe(413)
    await eventually(isFree)
    await strict.close()
  })

  it('peers 3.13: stays within its limit with hundreds of large bodies at once', async () => {
    let most = 0
    harness.upstream.respond = (_request, response) => {
      most = Math.max(most, bodies.inUse())
      setTimeout(() => response.end('{}'), 20)
    }
    const body = chatBody('x'.repeat(3000))
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => send(harness.port, body, { path: CHAT_PATH }))
    )
    expect(answers.every(({ status }) => status === 200)).toBe(true)
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(ROOM)
    await eventually(isFree)
  })
})
