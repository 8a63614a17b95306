/** A page of another site reads a lora's answers and the proxy's errors exactly where it reads the upstream's. */
import type { OutgoingHttpHeaders, IncomingHttpHeaders } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeLora, withLora } from '../kit/proxy/lora.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  LIMITS,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'

const HERE = 'https://app.example'
const THERE = 'https://elsewhere.example'

/** Allows one origin, as an API that knows its pages does. */
const allowing =
  (allowed: string): Responder =>
  ({ headers: { origin }, method }, response) => {
    const cors: OutgoingHttpHeaders =
      origin === allowed
        ? {
            'access-control-allow-origin': origin,
            'access-control-expose-headers': 'x-request-id',
            vary: 'Origin',
          }
        : { vary: 'Origin' }
    if (method === 'OPTIONS') return void response.writeHead(204, cors).end()
    response.writeHead(200, { 'content-type': 'application/json', ...cors })
    response.end(JSON.stringify(completion('from the upstream')))
  }

const corsOf = (headers: IncomingHttpHeaders) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith('access-control-')))
const GIVEN = {
  'access-control-allow-origin': HERE,
  'access-control-expose-headers': 'x-request-id',
}

let harness: Harness

beforeEach(async () => {
  harness = await startHarness({
    ...withLora(new FakeLora()),
    limits: { ...LIMITS, maxBodyBytes: 10_000 },
  })
  harness.upstream.respond = allowing(HERE)
  await harness.send(UNMATCHED_BODY)
})
afterEach(() => harness.close())

const asks = (origin: string | null, extra: object = {}) =>
  harness.send(chatBody('where is it?', { ...extra }), {
    headers: origin === null ? {} : { origin },
  })
const preflight = (origin: string) =>
  harness.send(null, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST' },
  })

describe('a page of another site', () => {
  it.each([{}, { stream: true }])('reads a lora’s answer as the upstream’s: %j', async (extra) => {
    const first = await asks(HERE, extra)
    expect([first.headers['x-promptintern-route'], first.headers['x-promptintern-reason']]).toEqual(
      ['skipped', 'unknown-origin']
    )
    const second = await asks(HERE, extra)
    expect(second.headers['x-promptintern-route']).toBe('answered')
    expect(corsOf(second.headers)).toEqual(GIVEN)
    expect(corsOf(second.headers)).toEqual(corsOf(first.headers))
    expect(second.headers.vary).toBe('Origin')
  })

  it('reads nothing where the upstream does not let it', async () => {
    await asks(HERE)
    await asks(THERE)
    const answer = await asks(THERE)
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    expect(corsOf(answer.headers)).toEqual({})
  })

  it('loses what the upstream no longer allows', async () => {
    await asks(HERE)
    harness.upstream.respond = allowing(THERE)
    await harness.send(UNMATCHED_BODY, { headers: { origin: HERE } })
    expect(corsOf((await asks(HERE)).headers)).toEqual({})
  })

  it('is not allowed to read a lora’s answer by a preflight alone, nor by an error', async () => {
    await preflight(HERE)
    harness.upstream.respond = (_request, response) => {
      response.writeHead(500, { 'access-control-allow-origin': HERE }).end()
    }
    expect((await asks(HERE)).headers['x-promptintern-reason']).toBe('unknown-origin')
    expect((await asks(HERE)).headers['x-promptintern-reason']).toBe('unknown-origin')
  })

  it('reads an error of the proxy once its preflight was answered', async () => {
    const tooLarge = 'x'.repeat(11_000)
    const refusedFor = (origin: string) => harness.send(tooLarge, { headers: { origin } })
    expect(corsOf((await refusedFor(HERE)).headers)).toEqual({})
    await preflight(HERE)
    await preflight(THERE)
    const answer = await refusedFor(HERE)
    expect(answer.status).toBe(413)
    expect(corsOf(answer.headers)).toEqual(GIVEN)
    expect(corsOf((await refusedFor(THERE)).headers)).toEqual({})
  })

  it('changes nothing for a client that is no page', async () => {
    const answer = await asks(null)
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    expect(corsOf(answer.headers)).toEqual({})
  })
})

describe('the headers of an answer that a client reads', () => {
  it('have the forms of the API', async () => {
    const { headers } = await asks(null)
    expect(headers['x-request-id']).toMatch(/^req_/)
    expect(headers['x-request-id']).toBe(`req_${headers['x-promptintern-record'] as string}`)
    expect(headers['openai-processing-ms']).toMatch(/^\d+$/)
    expect(headers['openai-version']).toBe('2020-10-01')
    // a limit of the provider that the answer did not use is not invented
    expect(Object.keys(headers).filter((name) => name.startsWith('x-ratelimit'))).toEqual([])
  })
})

describe('a body that the API does not take for JSON', () => {
  it.each(['text/plain', 'text/plain; charset=application/json', 'application/jsonl', ''])(
    'goes to the upstream: %j',
    async (type) => {
      const { headers } = await harness.send(chatBody('hi'), { headers: { 'content-type': type } })
      expect([headers['x-promptintern-route'], headers['x-promptintern-reason']]).toEqual([
        'skipped',
        'kind-not-proven',
      ])
    }
  )

  it.each(['application/json', 'Application/JSON; charset=utf-8'])(
    'is not that of %j',
    async (type) => {
      const { headers } = await harness.send(chatBody('hi'), { headers: { 'content-type': type } })
      expect(headers['x-promptintern-route']).toBe('answered')
    }
  )
})
