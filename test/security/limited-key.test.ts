/** Ways around the limits of an issued key, by members of bodies and by headers: a real proxy and its upstream. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CHAT_PATH, chatBody, errorOf, type RawAnswer } from '../kit/proxy/harness.ts'
import { keyFor, secretFor, startKeyed, UPSTREAM_KEY, type Keyed } from '../kit/proxy/keyed.ts'

const RESPONSES = '/v1/responses'
const MODEL = 'gpt-4o-mini'

let keyed: Keyed

beforeEach(async () => {
  keyed = await startKeyed([
    keyFor('models', { models: [MODEL] }),
    keyFor('tokens', { tokensPerMinute: 1_000_000 }),
    keyFor('open'),
  ])
})
afterEach(() => keyed.harness.close())

const send = (key: string, path: string, body: string, headers = {}): Promise<RawAnswer> =>
  keyed.harness.send(body, {
    path,
    headers: { authorization: `Bearer ${secretFor(key)}`, ...headers },
  })

const responseBody = (fields: object): string =>
  JSON.stringify({ model: MODEL, input: 'hi', ...fields })

const chatTools = (...tools: object[]): string => chatBody('hi', { tools })
const filePart = (file: object): string => chatBody([{ type: 'file', file }])
const chatMessage = (fields: object): string =>
  JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'x', ...fields }] })
const inputPart = (part: object): string =>
  responseBody({ input: [{ role: 'user', content: [part] }] })

/** Each chooses another model, another host, or something that belongs to the operator's account. */
const WAYS: [way: string, path: string, body: string, param: string][] = [
  ['other models', CHAT_PATH, chatBody('hi', { models: ['gpt-5-pro'] }), 'models'],
  ['fallbacks', CHAT_PATH, chatBody('hi', { fallbacks: [{ model: 'gpt-5-pro' }] }), 'fallbacks'],
  ['another host', CHAT_PATH, chatBody('hi', { api_base: 'http://10.0.0.1' }), 'api_base'],
  ['another address', CHAT_PATH, chatBody('hi', { base_url: 'http://10.0.0.1' }), 'base_url'],
  ['another provider', CHAT_PATH, chatBody('hi', { provider: { order: ['x'] } }), 'provider'],
  ['plugins', CHAT_PATH, chatBody('hi', { plugins: [{ id: 'web' }] }), 'plugins'],
  ['a body within', CHAT_PATH, chatBody('hi', { extra_body: { models: ['x'] } }), 'extra_body'],
  ['headers within', CHAT_PATH, chatBody('hi', { extra_headers: { 'x-a': 'b' } }), 'extra_headers'],
  ['a member that is false', CHAT_PATH, chatBody('hi', { x_unknown: false }), 'x_unknown'],
  ['a hosted tool in chat', CHAT_PATH, chatTools({ type: 'mcp', server_url: 'http://x' }), 'tools'],
  ['a tool without a type', CHAT_PATH, chatTools({ name: 'x' }), 'tools'],
  ['tools that are not a list', CHAT_PATH, chatBody('hi', { tools: { type: 'mcp' } }), 'tools'],
  ['a file of another caller', CHAT_PATH, filePart({ file_id: 'file-1' }), 'file_id'],
  [
    'a model of a tool',
    RESPONSES,
    responseBody({ tools: [{ type: 'image_generation', model: 'x' }] }),
    'tools',
  ],
  [
    'a hosted server',
    RESPONSES,
    responseBody({ tools: [{ type: 'mcp', server_url: 'http://x' }] }),
    'tools',
  ],
  [
    'a store of files',
    RESPONSES,
    responseBody({ tools: [{ type: 'file_search', vector_store_ids: ['vs_1'] }] }),
    'tools',
  ],
  ['work in the background', RESPONSES, responseBody({ background: true }), 'background'],
  [
    'a conversation of the account',
    RESPONSES,
    responseBody({ conversation: 'conv_1' }),
    'conversation',
  ],
  ['a prompt of the account', RESPONSES, responseBody({ prompt: { id: 'pmpt_1' } }), 'prompt'],
  // parsers that take names in any case, as Go's, read the second type; others the first
  [
    'a hosted tool by a second type of another case in chat',
    CHAT_PATH,
    chatTools({ type: 'function', function: { name: 'f' }, Type: 'mcp', server_url: 'http://x' }),
    'Type',
  ],
  [
    'a hosted tool by a second type of another case',
    RESPONSES,
    responseBody({ tools: [{ type: 'function', name: 'f', TYPE: 'web_search' }] }),
    'TYPE',
  ],
  [
    'a tool with a member of no parser, twice but for its case',
    CHAT_PATH,
    chatTools({ type: 'function', function: { name: 'f' }, other: 1, Other: 2 }),
    'Other',
  ],
  ['a file by another case', CHAT_PATH, filePart({ File_ID: 'file-1' }), 'file_id'],
  ['a file in camel case', CHAT_PATH, filePart({ fileId: 'file-1' }), 'file_id'],
  ['files in a list', CHAT_PATH, filePart({ file_ids: ['file-1'] }), 'file_id'],
  [
    'a file beside the content of a message',
    CHAT_PATH,
    chatMessage({ attachments: [{ file_id: 'file-1' }] }),
    'attachments',
  ],
  [
    'a file in a member that messages have',
    CHAT_PATH,
    chatMessage({ audio: { file_id: 'file-1' } }),
    'file_id',
  ],
  ['an unknown member of a message', CHAT_PATH, chatMessage({ model: 'gpt-5-pro' }), 'model'],
  [
    'a file beside the content of an item',
    RESPONSES,
    responseBody({ input: [{ role: 'user', content: 'x', file_id: 'file-1' }] }),
    'file_id',
  ],
  ['a file in an item', RESPONSES, inputPart({ type: 'input_file', file_id: 'file-1' }), 'file_id'],
  [
    'an image of the account',
    RESPONSES,
    inputPart({ type: 'input_image', file_id: 'file-1' }),
    'file_id',
  ],
]

describe.each(['models', 'tokens'])('a key with a limit on %s', (key) => {
  it.each(WAYS)('is refused %s', async (_way, path, body, param) => {
    const answer = await send(key, path, body)
    expect(answer.status).toBe(400)
    expect(errorOf(answer)).toMatchObject({ type: 'invalid_request_error', param })
    expect(keyed.harness.upstream.requests).toEqual([])
  })

  it('may send what SDKs and servers of open models usually take', async () => {
    const usual = {
      temperature: 0,
      seed: 1,
      top_k: 5,
      min_p: 0.1,
      repetition_penalty: 1.1,
      models: null,
      metadata: { file_id: 'a label' },
      stream_options: null,
      response_format: { type: 'json_object' },
      chat_template_kwargs: { enable_thinking: false },
      tools: [
        { type: 'function', function: { name: 'f', parameters: { properties: { file_id: {} } } } },
        { type: 'custom', custom: { name: 'g' } },
      ],
    }
    const question = [{ type: 'text', text: 'my "file_id": 7' }]
    expect((await send(key, CHAT_PATH, chatBody(question, usual))).status).toBe(200)
    const call = { id: 'c', type: 'function', function: { name: 'f', arguments: '{"file_id":1}' } }
    const messages = [
      { role: 'user', content: question, name: 'ann', cache_control: { type: 'ephemeral' } },
      {
        role: 'assistant',
        content: null,
        refusal: null,
        annotations: [],
        parsed: { a: 1 },
        tool_calls: [call],
      },
      { role: 'tool', tool_call_id: 'c', content: '1' },
      { role: 'assistant', content: 'x', audio: { id: 'audio_1' }, reasoning_content: 'y' },
      { role: 'assistant', content: 'x', function_call: null, prefix: true, attachments: null },
    ]
    const conversation = JSON.stringify({ model: MODEL, messages })
    expect((await send(key, CHAT_PATH, conversation)).status).toBe(200)
    const item = { type: 'message', id: 'm', role: 'assistant', status: 'incomplete', content: [] }
    const items = [
      { role: 'user', content: 'x', name: 'ann' },
      { ...item, phase: 'commentary' },
    ]
    expect((await send(key, RESPONSES, responseBody({ input: items }))).status).toBe(200)
    const fields = {
      store: true,
      previous_response_id: 'resp_1',
      reasoning: { effort: 'low', summary: 'auto' },
      text: { verbosity: 'low' },
      include: ['reasoning.encrypted_content'],
      truncation: 'auto',
      max_output_tokens: 100,
      background: null,
      tools: [{ type: 'function', name: 'f', parameters: {} }],
    }
    expect((await send(key, RESPONSES, responseBody(fields))).status).toBe(200)
  })
})

it('a key without such limits may send everything', async () => {
  for (const [, path, body] of WAYS) expect((await send('open', path, body)).status).toBe(200)
})

const ROUTING = {
  'x-portkey-provider': 'openai',
  'x-portkey-config': 'pc-other',
  'x-portkey-custom-host': 'http://10.0.0.1',
  'helicone-target-url': 'http://10.0.0.1',
  'helicone-fallbacks': '[]',
  'x-litellm-tags': 'expensive',
  'x-litellm-model': 'gpt-5-pro',
  'cf-aig-custom-cost': '0',
  'cf-aig-gateway': 'other',
  'x-openrouter-provider': 'x',
  'x-model': 'gpt-5-pro',
  'x-forwarded-for': '10.0.0.1',
  'x-http-method-override': 'DELETE',
}

const USUAL = {
  accept: 'application/json',
  'user-agent': 'OpenAI/JS 6',
  'openai-beta': 'responses=v1',
  'anthropic-version': '2023-06-01',
  'idempotency-key': 'a-key',
  'x-stainless-lang': 'js',
  'x-request-id': 'r-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}

it.each(['open', 'models'])(
  'the key of the operator travels without routing headers of callers: %s',
  async (key) => {
    const answer = await send(key, CHAT_PATH, chatBody('hi'), { ...ROUTING, ...USUAL })
    expect(answer.status).toBe(200)
    const { headers } = keyed.harness.upstream.requests[0]!
    expect(headers.authorization).toBe(`Bearer ${UPSTREAM_KEY}`)
    expect(Object.keys(headers).filter((name) => name in ROUTING)).toEqual([])
    expect(headers).toMatchObject({ ...USUAL, 'content-type': 'application/json' })
  }
)

it('routing headers of callers do not travel with other requests either', async () => {
  await send('open', '/v1/files', 'file', { ...ROUTING, ...USUAL, 'content-type': 'text/x' })
  const { headers, body } = keyed.harness.upstream.requests[0]!
  expect(Object.keys(headers).filter((name) => name in ROUTING)).toEqual([])
  expect(headers).toMatchObject({ ...USUAL, 'content-type': 'text/x', 'content-length': '4' })
  expect(body.toString()).toBe('file')
})
