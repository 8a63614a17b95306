import { describe, expect, it } from 'vitest'
import { readImportLine } from '../../src/core/log/import-line.ts'
import type { ExchangeRecord } from '../../src/core/log/record.ts'
import { completion } from '../kit/records/completion.ts'

const ASKED = { role: 'user', content: 'hi' }
const ANSWER = { role: 'assistant', content: 'yes' }
const CALLS = [{ id: 'c', type: 'function', function: { name: 'f', arguments: '{}' } }]

type Refused = [line: unknown, reason: string]

const OTHER_RESPONSES = [
  5,
  {},
  { choices: [] },
  { choices: [{ text: 'yes' }] },
  [completion('yes')],
].map((response): Refused => [
  { messages: [ASKED], response },
  'its response is neither a text nor a chat completion',
])

const OTHER_TIMES = ['soon', null, -1, true, 9e22].map((at): Refused => [
  { messages: [ASKED], at },
  'its member at is not a time',
])

const read = (line: unknown, options: { number?: number; tenant?: string } = {}) =>
  readImportLine(
    {
      number: options.number ?? 1,
      text: typeof line === 'string' ? line : JSON.stringify(line),
      at: 5,
    },
    { tenant: options.tenant ?? 'tenant-a', model: 'default-model', maxBodyBytes: 1000 }
  )[0]!

const recordOf = (...parameters: Parameters<typeof read>): ExchangeRecord => {
  const found = read(...parameters)
  if ('reason' in found) throw new Error(found.reason)
  return found.record
}

/** @returns request, the answer's message and its reason to end */
const partsOf = (line: unknown) => {
  const { request, response } = recordOf(line)
  const { choices } = JSON.parse(response ?? '{"choices":[{}]}') as {
    choices: { message?: unknown; finish_reason?: string }[]
  }
  return [JSON.parse(request), choices[0]!.message, choices[0]!.finish_reason]
}

describe('a line with a request of the Responses API', () => {
  const request = { input: [ASKED], instructions: 'Be short.' }
  const output = [{ type: 'message', content: [{ type: 'output_text', text: 'yes' }] }]
  const response = { object: 'response', status: 'completed', output, usage: { input_tokens: 3 } }

  it('has both bodies as they are, and their path', () => {
    const record = recordOf({ request, response })
    expect(record).toMatchObject({
      path: '/v1/responses',
      model: 'default-model',
      usage: response.usage,
    })
    expect(JSON.parse(record.request)).toEqual({ ...request, model: 'default-model' })
    expect(JSON.parse(record.response!)).toEqual(response)
  })

  it.each<Refused>([
    [{ request, response: 'yes' }, 'its response is not one of the Responses API'],
    [{ request, response: completion('yes') }, 'its response is not one of the Responses API'],
    [{ request: { ...request, model: 7 } }, 'its model is not a name'],
    [
      { request: { input: [{ type: 'new' }] } },
      'the body is not a request that the proxy can read',
    ],
  ])('%j is skipped: %s', (line, reason) => {
    expect(read(line)).toEqual({ reason })
  })
})

describe('a line of a log', () => {
  it.each([
    ['messages and a text', { messages: [ASKED], response: 'yes' }, ANSWER, 'stop'],
    ['a fine-tuning row', { messages: [ASKED, ANSWER] }, ANSWER, 'stop'],
    [
      'a row that ends with a call of a tool',
      { messages: [ASKED, { role: 'assistant', tool_calls: CALLS }] },
      { role: 'assistant', content: null, tool_calls: CALLS },
      'tool_calls',
    ],
    [
      'both bodies',
      { request: { messages: [ASKED] }, response: completion('yes') },
      ANSWER,
      'stop',
    ],
    ['a request and a text', { request: { messages: [ASKED] }, response: 'yes' }, ANSWER, 'stop'],
    ['a question without an answer', { messages: [ASKED] }, undefined, undefined],
    ['an answer that is null', { messages: [ASKED], response: null }, undefined, undefined],
  ])('may be %s', (_name, line, message, reason) => {
    const [request, given, ending] = partsOf(line)
    expect(request).toEqual({ model: 'default-model', messages: [ASKED] })
    if (message === undefined) expect(given).toBeUndefined()
    else expect(given).toMatchObject(message)
    expect(ending).toBe(reason)
  })

  it('keeps its model, its time, its usage and the other fields of its request', () => {
    const request = { model: 'm', messages: [ASKED, ANSWER, ASKED], temperature: 0 }
    const response = completion('yes')
    const record = recordOf({ request, response, at: '2026-11-01T00:00:00Z' })
    expect(record).toMatchObject({
      model: 'm',
      at: Date.UTC(2026, 10, 1),
      usage: response.usage,
      status: 200,
    })
    expect(JSON.parse(record.request)).toEqual(request)
    expect(JSON.parse(record.response!)).toEqual(JSON.parse(JSON.stringify(response)))
    expect(recordOf({ messages: [ASKED], model: 'm' })).toMatchObject({ model: 'm', at: 5 })
  })

  it('has an id of its own by tenant, place and text', () => {
    const line = { messages: [ASKED] }
    const ids = [
      recordOf(line),
      recordOf(line, { number: 2 }),
      recordOf(line, { tenant: 'tenant-b' }),
      recordOf({ messages: [ASKED], response: 'yes' }),
    ].map(({ id }) => id)
    expect(new Set(ids).size).toBe(4)
    expect(recordOf(line).id).toBe(ids[0])
  })

  it.each<Refused>([
    ['{"messages":', 'it is not valid JSON'],
    ['[]', 'it is not a JSON object'],
    ['null', 'it is not a JSON object'],
    [{}, 'it has no messages'],
    [
      { custom_id: '1', body: { messages: [ASKED] } },
      'it is a line of a batch file, which has only requests or only answers',
    ],
    [{ messages: [] }, 'it has no messages'],
    [{ messages: 'hi' }, 'its messages are not a list of objects with a role'],
    [{ messages: [{ content: 'hi' }] }, 'its messages are not a list of objects with a role'],
    [{ messages: [ANSWER] }, 'it has no message before the answer'],
    [{ request: 'hi', response: 'yes' }, 'its request is not an object'],
    [{ request: null }, 'its request is not an object'],
    [{ request: { prompt: 'hi' } }, 'it has no messages'],
    [{ prompt: 'hi', completion: 'yes' }, 'it has no messages; its members are prompt, completion'],
    [{ messages: [ASKED], model: 4 }, 'its model is not a name'],
    [{ messages: [ASKED], model: '' }, 'its model is not a name'],
    ...OTHER_RESPONSES,
    ...OTHER_TIMES,
    [{ messages: [{ role: 'user', content: 'x'.repeat(1000) }] }, 'its request is over 1000 bytes'],
    [{ messages: [ASKED], response: 'x'.repeat(1000) }, 'its response is over 1000 bytes'],
    [
      `{"messages":[{"role":"user","content":${'['.repeat(300)}${']'.repeat(300)}}]}`,
      'the body nests deeper than 256 levels',
    ],
    [
      `{"messages":[{"role":"user","content":${'['.repeat(99_999)}${']'.repeat(99_999)}}]}`,
      'the body nests deeper than 256 levels',
    ],
  ])('is refused: %j', (line, reason) => {
    expect(read(line)).toEqual({ reason })
  })

  it('may have an attachment over the limit, which the log leaves out', () => {
    const image = {
      type: 'image_url',
      image_url: { url: `data:image/png;base64,${'A'.repeat(4000)}` },
    }
    expect(recordOf({ messages: [{ role: 'user', content: [image] }] }).request).toContain('AAAA')
  })
})

const responseWith = (changed: object) => ({ ...completion('yes'), ...changed })

describe('the time of a line', () => {
  const created = 1_795_000_000
  it.each([
    ['its at', { at: 1e12, created, response: responseWith({ created }) }, 1e12],
    ['its at, in seconds', { at: created, response: 'yes' }, created * 1_000],
    [
      'its created, in milliseconds',
      { created: created * 1_000, response: 'yes' },
      created * 1_000,
    ],
    [
      'its created, as a date',
      { created: '2026-11-18T10:40:00Z', response: 'yes' },
      1_794_998_400_000,
    ],
    [
      'its created_at',
      { created_at: '2026-11-18T12:40:00+02:00', response: 'yes' },
      1_794_998_400_000,
    ],
    [
      'that of its response, as a date',
      { response: responseWith({ created: '2026-11-18T10:40:00Z' }) },
      1_794_998_400_000,
    ],
    [
      'its created, in seconds',
      { created, response: responseWith({ created: 3 }) },
      created * 1_000,
    ],
    ['that of its response', { response: responseWith({ created }) }, created * 1_000],
    [
      'that of its response, where its own is 0',
      { created: 0, response: responseWith({ created }) },
      created * 1_000,
    ],
    ['the one of a line that names none', { response: responseWith({ created: 0 }) }, 5],
    [
      'the one of a line that names none, for a created that is no time',
      { created: 'soon', response: 'yes' },
      5,
    ],
    [
      'the one of a line that names none, for one beyond all dates',
      { created: 9e22, response: 'yes' },
      5,
    ],
  ])('is %s', (_, fields, at) => {
    expect(recordOf({ messages: [ASKED], ...fields }).at).toBe(at)
  })

  it('is that of a response of the Responses API', () => {
    const answer = { object: 'response', status: 'completed', output: [], created_at: created }
    expect(recordOf({ request: { input: [ASKED] }, response: answer }).at).toBe(created * 1_000)
  })
})
