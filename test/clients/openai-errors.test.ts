/** Errors of the upstream and of the connection to it, as the official client reports them. */
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  eventually,
  respondJson,
  startHarness,
  type Harness,
  type Responder,
} from '../kit/proxy/harness.ts'
import { bothWays, collect } from './both-ways.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'
import { failureOf } from '../contract/driver.ts'

const REQUEST = {
  model: 'gpt-4o-mini',
  messages: [{ role: 'user' as const, content: 'hello' }],
}

let harness: Harness

beforeEach(async () => {
  harness = await startHarness()
  harness.upstream.respond = createOpenAiUpstream()
})
afterEach(() => harness.close())

const optionsOf = (baseURL: string) => ({ apiKey: API_KEY, baseURL, maxRetries: 0 })

/** The fields of the client's error, as plain values. */
const failure = async (call: Promise<unknown>) => {
  const error = await failureOf(call)
  const { status, message, code, type, param, requestID } = error
  return { name: error.constructor.name, status, message, code, type, param, requestID }
}

const errorBody = (message: string, code: string) => ({
  error: { message, type: 'requests', param: null, code },
})

/** Answers with an error the given number of times, then as the upstream does. */
const failing = (times: number, first: Responder): Responder => {
  const then = harness.upstream.respond
  let left = times
  return (request, response) => (left-- > 0 ? first : then)(request, response)
}

const BUSY = respondJson(errorBody('Rate limit reached', 'rate_limit_exceeded'), 429, {
  'retry-after': '1',
  'retry-after-ms': '5',
  'x-ratelimit-remaining-requests': '0',
})
const INVALID = respondJson(errorBody('Unknown parameter', 'unknown_parameter'), 400)
const BROKEN = respondJson(errorBody('The server had an error', 'server_error'), 500)

type Call = (client: OpenAI) => Promise<unknown>
const ask: Call = ({ chat }) => chat.completions.create(REQUEST)

describe('errors of the upstream', () => {
  it.each<[name: string, call: Call, expected: object, answer?: Responder]>([
    [
      'a wrong key',
      (client) => ask(client.withOptions({ apiKey: 'sk-wrong' })),
      { name: 'AuthenticationError', status: 401, code: 'invalid_api_key', requestID: 'req_mock' },
    ],
    [
      'an unknown model',
      ({ chat }) => chat.completions.create({ ...REQUEST, model: 'gpt-none' }),
      { name: 'NotFoundError', code: 'model_not_found' },
    ],
    [
      'an unknown endpoint',
      (client) => client.get('/nothing/here'),
      { name: 'NotFoundError', code: null },
    ],
    ['an invalid request', ask, { name: 'BadRequestError', status: 400 }, INVALID],
    ['a fault of the upstream', ask, { name: 'InternalServerError', status: 500 }, BROKEN],
    [
      'an error before a stream',
      ({ chat }) => chat.completions.create({ ...REQUEST, stream: true }),
      { name: 'InternalServerError', status: 500, code: 'server_error' },
      BROKEN,
    ],
    [
      'an error in a stream',
      async ({ chat }) => collect(await chat.completions.create({ ...REQUEST, stream: true })),
      { name: 'APIError', code: 'busy' },
      (_request, response) => {
        const event = JSON.stringify(errorBody('overloaded', 'busy'))
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.end(`data: {"choices":[]}\n\ndata: ${event}\n\n`)
      },
    ],
  ])(
    '%s is reported as without the proxy, after one request',
    async (_, call, expected, answer) => {
      harness.upstream.respond = answer ?? harness.upstream.respond
      const said = await bothWays(harness, (baseURL) =>
        failure(call(new OpenAI(optionsOf(baseURL))))
      )
      expect(said).toMatchObject(expected)
      expect(harness.upstream.requests).toHaveLength(1)
    }
  )

  it('429: the client retries as the headers say, and gets its answer', async () => {
    const upstream = harness.upstream.respond
    const answer = await bothWays(harness, (baseURL) => {
      harness.upstream.respond = upstream
      harness.upstream.respond = failing(2, BUSY)
      return new OpenAI({ ...optionsOf(baseURL), maxRetries: 2 }).chat.completions.create(REQUEST)
    })
    expect(answer.choices[0]!.message.content).toContain('hello')
    expect(
      harness.upstream.requests.map(({ headers }) => headers['x-stainless-retry-count'])
    ).toEqual(['0', '1', '2'])
  })

  it('429: a client that does not retry reads the headers', async () => {
    harness.upstream.respond = BUSY
    const said = await bothWays(harness, async (baseURL) => {
      const call = new OpenAI(optionsOf(baseURL)).chat.completions.create(REQUEST)
      const { headers } = await failureOf(call)
      return ['retry-after', 'x-ratelimit-remaining-requests'].map((name) => headers?.get(name))
    })
    expect(said).toEqual(['1', '0'])
    expect(harness.upstream.requests).toHaveLength(1)
  })
})

describe('the connection to the upstream', () => {
  it('is refused: the client reports 502, in OpenAI’s format', async () => {
    harness.upstream.close()
    const client = new OpenAI(optionsOf(harness.baseUrl))
    expect(await failure(client.chat.completions.create(REQUEST))).toMatchObject({
      name: 'InternalServerError',
      status: 502,
      code: 'upstream_unavailable',
    })
    expect(await failure(client.models.list())).toMatchObject({ status: 502 })
  })

  it('breaks during a stream: the client reports an error, not a clean end', async () => {
    harness.upstream.respond = (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n', () =>
        response.destroy()
      )
    }
    const client = new OpenAI(optionsOf(harness.baseUrl))
    const stream = await client.chat.completions.create({ ...REQUEST, stream: true })
    const read = async () => {
      for await (const chunk of stream) expect(chunk.choices[0]!.delta.content).toBe('a')
    }
    await expect(read()).rejects.toThrow(/terminated|aborted|closed/i)
  })

  it('takes longer than the client waits: the request to the upstream is aborted', async () => {
    harness.upstream.respond = () => {}
    const client = new OpenAI({ ...optionsOf(harness.baseUrl), timeout: 100 })
    expect(await failure(client.chat.completions.create(REQUEST))).toMatchObject({
      name: 'APIConnectionTimeoutError',
    })
    await eventually(() => harness.upstream.aborted === harness.upstream.requests.length)
  })
})
