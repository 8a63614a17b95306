/** What goes wrong at the upstream, or on the way to it, as the official client tells it. */
import OpenAI, { APIError } from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  eventually,
  respondJson,
  startHarness,
  type Harness,
  type Responder,
} from '../proxy/harness.ts'
import { bothWays } from './both-ways.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'

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

/** @throws what is no answer of an API */
const thrown = async (call: Promise<unknown>): Promise<APIError> => {
  try {
    await call
  } catch (error) {
    if (error instanceof APIError) return error as APIError
    throw error
  }
  throw new Error('the call succeeded')
}

/** What a client's error says, as plain values. */
const failure = async (call: Promise<unknown>) => {
  const error = await thrown(call)
  const { status, message, code, type, param, requestID } = error
  return { name: error.constructor.name, status, message, code, type, param, requestID }
}

const errorBody = (message: string, code: string) => ({
  error: { message, type: 'requests', param: null, code },
})

/** Answers with an error so many times, then as the upstream does. */
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
const BROKEN = respondJson(errorBody('The server had an error', 'server_error'), 500)

describe('errors of the upstream', () => {
  it('401: the key is wrong', async () => {
    const said = await bothWays(harness, (baseURL) =>
      failure(
        new OpenAI({ ...optionsOf(baseURL), apiKey: 'sk-wrong' }).chat.completions.create(REQUEST)
      )
    )
    expect(said).toMatchObject({
      name: 'AuthenticationError',
      status: 401,
      code: 'invalid_api_key',
      requestID: 'req_mock',
    })
  })

  it('404: there is no such model, and no such endpoint', async () => {
    const said = await bothWays(harness, async (baseURL) => {
      const client = new OpenAI(optionsOf(baseURL))
      return [
        await failure(client.chat.completions.create({ ...REQUEST, model: 'gpt-none' })),
        await failure(client.models.retrieve('gpt-none')),
        await failure(client.get('/nothing/here')),
      ]
    })
    expect(said.map(({ name, code }) => [name, code])).toEqual([
      ['NotFoundError', 'model_not_found'],
      ['NotFoundError', 'model_not_found'],
      ['NotFoundError', null],
    ])
  })

  it('400: a field that the API does not know', async () => {
    const said = await bothWays(harness, (baseURL) =>
      failure(
        new OpenAI(optionsOf(baseURL)).chat.completions.create({
          ...REQUEST,
          tool_choise: 'auto',
        } as OpenAI.ChatCompletionCreateParamsNonStreaming)
      )
    )
    expect(said).toMatchObject({
      name: 'BadRequestError',
      message: expect.stringContaining('tool_choise'),
    })
  })

  it('429: the client asks again when it was told to, and gets its answer', async () => {
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

  it('429: a client that does not retry reads when to ask again', async () => {
    harness.upstream.respond = BUSY
    const said = await bothWays(harness, async (baseURL) => {
      const call = new OpenAI(optionsOf(baseURL)).chat.completions.create(REQUEST)
      const { headers } = await thrown(call)
      return ['retry-after', 'x-ratelimit-remaining-requests'].map((name) => headers?.get(name))
    })
    expect(said).toEqual(['1', '0'])
    expect(harness.upstream.requests).toHaveLength(1)
  })

  it('500: nobody but the client asks again', async () => {
    harness.upstream.respond = BROKEN
    const said = await bothWays(harness, (baseURL) =>
      failure(new OpenAI(optionsOf(baseURL)).chat.completions.create(REQUEST))
    )
    expect(said).toMatchObject({ name: 'InternalServerError', status: 500, code: 'server_error' })
    expect(harness.upstream.requests).toHaveLength(1)
  })

  it('an error before a stream, and one in the midst of it', async () => {
    const midway = `data: {"choices":[]}\n\ndata: ${JSON.stringify(errorBody('overloaded', 'busy'))}\n\n`
    const said = await bothWays(harness, async (baseURL) => {
      const client = new OpenAI(optionsOf(baseURL))
      harness.upstream.respond = BROKEN
      const before = await failure(client.chat.completions.create({ ...REQUEST, stream: true }))
      harness.upstream.respond = (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end(midway)
      }
      const stream = await client.chat.completions.create({ ...REQUEST, stream: true })
      const read = async () => {
        for await (const chunk of stream) expect(chunk.choices).toEqual([])
      }
      return { before, midway: await failure(read()) }
    })
    expect(said.before.status).toBe(500)
    expect(said.midway).toMatchObject({ code: 'busy' })
  })
})

describe('the way to the upstream', () => {
  it('ends nowhere: 502 in OpenAI’s format, which the client takes for its upstream’s', async () => {
    harness.upstream.close()
    const client = new OpenAI(optionsOf(harness.baseUrl))
    expect(await failure(client.chat.completions.create(REQUEST))).toMatchObject({
      name: 'InternalServerError',
      status: 502,
      code: 'upstream_unavailable',
    })
    expect(await failure(client.models.list())).toMatchObject({ status: 502 })
  })

  it('breaks in the midst of a stream: an error, never a clean end', async () => {
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

  it('takes longer than the client waits: the upstream is released', async () => {
    harness.upstream.respond = () => {}
    const client = new OpenAI({ ...optionsOf(harness.baseUrl), timeout: 100 })
    expect(await failure(client.chat.completions.create(REQUEST))).toMatchObject({
      name: 'APIConnectionTimeoutError',
    })
    await eventually(() => harness.upstream.aborted === harness.upstream.requests.length)
  })
})
