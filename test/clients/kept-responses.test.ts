/** Responses that the proxy has answered: asked for again, continued and deleted with the official client. */
import OpenAI, { APIError } from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { send } from '../kit/proxy/harness.ts'
import { bothWays } from './both-ways.ts'
import { ANSWER, MODEL, PROMPT, QUESTION, useLiveLora } from './live-lora.ts'
import { responseId } from '../../src/openai/ids.ts'
import { API_KEY } from './openai-upstream.ts'
import { failureOf } from '../contract/driver.ts'

const harness = useLiveLora()
beforeEach(() => {
  harness.upstream.requests.length = 0
})

/** `store` is not set, as usual. */
const REQUEST = { model: MODEL, instructions: PROMPT, input: QUESTION }

/** Bodies that the upstream got for new responses. */
const forwarded = (): Record<string, unknown>[] =>
  harness.upstream.requests
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => JSON.parse(body.toString()) as Record<string, unknown>)

describe('a response that a lora has answered', () => {
  it('is given again by its id, with the items of its input', async () => {
    const created = await harness.client.responses.create(REQUEST)
    expect(created.id).toMatch(/^resp_[0-9a-f]{48}$/)
    expect(await harness.client.responses.retrieve(created.id)).toEqual(created)
    const { data } = await harness.client.responses.inputItems.list(created.id)
    expect(data).toEqual([
      {
        id: expect.any(String) as string,
        type: 'message',
        status: 'completed',
        role: 'user',
        content: [{ type: 'input_text', text: QUESTION }],
      },
    ])
    expect(harness.upstream.requests).toEqual([])
  })

  it('has its items in pages', async () => {
    const input = [
      { role: 'system' as const, content: PROMPT },
      { role: 'user' as const, content: QUESTION },
    ]
    const { id } = await harness.client.responses.create({ model: MODEL, input })
    const roles: string[] = []
    for await (const item of harness.client.responses.inputItems.list(id, {
      limit: 1,
      order: 'asc',
    }))
      roles.push('role' in item ? item.role : item.type)
    expect(roles).toEqual(['system', 'user'])
    expect(
      await failureOf(harness.client.responses.inputItems.list(id, { limit: 101 }))
    ).toMatchObject({
      status: 400,
      param: 'limit',
    })
  })

  it('is also kept when it was streamed', async () => {
    const stream = harness.client.responses.stream(REQUEST)
    const { id, output_text: text } = await stream.finalResponse()
    expect(text).toBe(ANSWER)
    expect((await harness.client.responses.retrieve(id)).output[0]).toMatchObject({
      content: [{ text: ANSWER }],
    })
  })

  it('goes on at the upstream with the conversation, which it does not know by the id', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    await harness.client.responses.create({
      model: MODEL,
      previous_response_id: id,
      input: 'Thanks!',
    })
    expect(forwarded()).toEqual([
      {
        model: MODEL,
        previous_response_id: null,
        input: [
          { role: 'user', content: QUESTION },
          { role: 'assistant', content: ANSWER },
          { role: 'user', content: 'Thanks!' },
        ],
      },
    ])
  })

  it('is gone once it is deleted: then the upstream is asked, and knows no such response', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    await harness.client.responses.delete(id)
    expect(harness.upstream.requests).toEqual([])
    expect((await failureOf(harness.client.responses.retrieve(id))).status).toBe(404)
    expect((await failureOf(harness.client.responses.delete(id))).status).toBe(404)
    const next = { model: MODEL, previous_response_id: id, input: 'Thanks!' }
    expect(await failureOf(harness.client.responses.create(next))).toMatchObject({
      status: 400,
      code: 'previous_response_not_found',
    })
    // never an empty history: the id is passed on as it is
    expect(forwarded()).toEqual([{ model: MODEL, previous_response_id: id, input: 'Thanks!' }])
  })

  it('is no other caller`s', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    const other = new OpenAI({ apiKey: 'sk-other', baseURL: harness.baseUrl, maxRetries: 0 })
    for (const call of [
      () => other.responses.retrieve(id),
      () => other.responses.inputItems.list(id),
      () => other.responses.delete(id),
      () => other.responses.create({ model: MODEL, previous_response_id: id, input: 'Thanks!' }),
    ])
      expect((await failureOf(call())).status).toBe(401)
    expect(forwarded()).toEqual([{ model: MODEL, previous_response_id: id, input: 'Thanks!' }])
    expect((await harness.client.responses.retrieve(id)).id).toBe(id)
  })

  it('is not kept where it need not be', async () => {
    const { id, output_text: text } = await harness.client.responses.create({
      ...REQUEST,
      store: false,
    })
    expect(text).toBe(ANSWER)
    expect((await failureOf(harness.client.responses.retrieve(id))).status).toBe(404)
  })

  it('is not streamed again, which is said', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    expect(await failureOf(harness.client.responses.retrieve(id, { stream: true }))).toMatchObject({
      status: 400,
      param: 'stream',
    })
  })
})

const UNKNOWN = responseId('ffffffff-ffff-7fff-8fff-ffffffffffff')

const never = () => new Promise<never>(() => {})

describe('a store that does not answer', () => {
  it('holds up no request for long: the upstream answers, and a conversation gets 503', async () => {
    const { id } = await harness.client.responses.create(REQUEST)
    const responses = harness.deps.keptResponses!
    const working = { ...responses }
    Object.assign(responses, { put: never, get: never })
    try {
      const { response } = await harness.client.responses.create(REQUEST).withResponse()
      expect(response.headers.get('x-promptintern-route')).toBe('fallback')
      expect(forwarded()).toEqual([REQUEST])
      const next = { model: MODEL, previous_response_id: id, input: 'Thanks!' }
      expect((await failureOf(harness.client.responses.create(next))).status).toBe(503)
    } finally {
      Object.assign(responses, working)
    }
  })
})

describe('a response of the upstream', () => {
  it.each<[string, (own: OpenAI) => Promise<unknown>]>([
    [
      'is continued',
      (own) => own.responses.create({ model: MODEL, previous_response_id: 'resp_1', input: 'hi' }),
    ],
    ['is asked for', (own) => failureOf(own.responses.retrieve('resp_1'))],
    ['is asked for by a name like ours', (own) => failureOf(own.responses.retrieve(UNKNOWN))],
    ['is cancelled', (own) => failureOf(own.responses.cancel('resp_1'))],
    ['is cancelled by a name like ours', (own) => failureOf(own.responses.cancel(UNKNOWN))],
    ['is deleted', (own) => failureOf(own.responses.delete('resp_1'))],
  ])('%s there, with the bytes of the caller', async (_, call) => {
    await bothWays(harness, async (baseURL) => {
      const result = await call(new OpenAI({ apiKey: API_KEY, baseURL, maxRetries: 0 }))
      return result instanceof APIError ? [result.status, result.message] : result
    })
  })
})

it('a caller that is not logged is answered by the upstream, which keeps the answer', async () => {
  const { headers } = await send(harness.port, JSON.stringify(REQUEST), {
    path: '/v1/responses',
    headers: {
      authorization: `Bearer ${API_KEY}`,
      'content-type': 'application/json',
      'x-promptintern-capture': 'false',
    },
  })
  expect([headers['x-promptintern-route'], headers['x-promptintern-reason']]).toEqual([
    'skipped',
    'unsupported-field',
  ])
})
