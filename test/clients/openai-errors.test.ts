/** Errors of the connection to the upstream, as the official client reports them. */
import OpenAI from 'openai'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, startHarness, type Harness } from '../kit/proxy/harness.ts'
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
