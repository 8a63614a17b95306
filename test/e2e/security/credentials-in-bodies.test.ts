/** Credentials that clients send within bodies, against the real server: the upstream gets them, and nothing else. */
import { expect, it } from 'vitest'
import { ADMIN_TOKEN } from '../../kit/process/proxy-process.ts'
import { filesWith } from '../../kit/store/files-with.ts'
import { runCli } from '../../kit/process/built.ts'
import { completion } from '../../kit/records/completion.ts'
import { CHAT_PATH, eventually, respondJson, send, startUpstream } from '../../kit/proxy/harness.ts'
import { useServer } from '../../kit/whole/use-server.ts'

const server = useServer(startUpstream, ({ url }) => ({ UPSTREAM_BASE_URL: url }))

interface Shown {
  data: { id: string; request: string; response: string }[]
}

/** Each with the mark, which no other part of the request has. */
const BODIES: [where: string, path: string, body: (mark: string) => object][] = [
  [
    'the authorization and the headers of a hosted server',
    '/v1/responses',
    (mark) => ({
      input: 'hi',
      tools: [
        {
          type: 'mcp',
          server_label: 'files',
          server_url: `https://user:${mark}@mcp.example/sse?key=${mark}`,
          authorization: mark,
          headers: { 'X-Team': mark, Cookie: `a=${mark}`, nested: { list: [mark] } },
        },
      ],
    }),
  ],
  [
    'members for a gateway',
    CHAT_PATH,
    (mark) => ({
      messages: [{ role: 'user', content: 'hi' }],
      api_key: mark,
      apiKey: mark,
      extra_headers: { 'X-Team': mark },
      extra_body: { aws_secret_access_key: mark, fallbacks: [{ api_key: mark }] },
      vertex_credentials: { private: mark },
      metadata: { access_token: mark },
    }),
  ],
  [
    'a source of data',
    CHAT_PATH,
    (mark) => ({
      messages: [{ role: 'user', content: 'hi' }],
      data_sources: [
        { type: 'azure_search', parameters: { authentication: { type: 'api_key', key: mark } } },
      ],
    }),
  ],
  [
    'a tool of chat, with its function',
    CHAT_PATH,
    (mark) => ({
      messages: [{ role: 'user', content: 'hi' }],
      tools: [{ type: 'function', authorization: mark, function: { name: 'f', api_key: mark } }],
    }),
  ],
]

it.each(BODIES)('%s reach the upstream, and neither disk, API, page nor export', async (...row) => {
  const [where, path, bodyOf] = row
  const mark = `Mark${where.length}of${BODIES.findIndex(([name]) => name === where)}`
  const fields = { model: 'gpt-4o-mini', ...bodyOf(mark) }
  const body = JSON.stringify(fields).replace('"api_key"', String.raw`"\u0061pi_key"`)
  // an answer of the Responses API repeats the tools
  server.upstream.respond = respondJson({ ...completion('fine'), ...('tools' in fields && fields) })
  const before = await server.proxy.admin<Shown>('/records')
  expect((await send(server.port, body, { path })).status).toBe(200)
  expect(server.upstream.bodies().at(-1)).toBe(body)
  let shown: Shown = { data: [] }
  await eventually(async () => {
    shown = await server.proxy.admin<Shown>('/records?bodies=true')
    return shown.data.length > before.data.length
  })
  const [record] = shown.data
  expect(record!.request).toContain('[CREDENTIAL]')
  expect(Object.keys(JSON.parse(record!.request) as object)).toEqual(Object.keys(fields))
  const signedIn = await send(server.port, new URLSearchParams({ token: ADMIN_TOKEN }).toString(), {
    path: '/admin/sign-in',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      origin: `http://127.0.0.1:${server.port}`,
    },
  })
  const cookie = signedIn.headers['set-cookie']![0]!.split(';')[0]!
  const texts = [JSON.stringify(shown), await runCli(server.env, 'records', record!.id, '--json')]
  for (const suffix of ['', '/request.txt', '/response.txt']) {
    const view = `/admin/records/${record!.id}${suffix}`
    texts.push(
      (await send(server.port, null, { method: 'GET', path: view, headers: { cookie } })).text
    )
  }
  for (const text of texts) expect(text).not.toContain(mark)
  expect(filesWith(server.dataDir, mark)).toEqual([])
})

it('what is no credential is logged byte for byte', async () => {
  const schema = {
    type: 'object',
    properties: {
      api_key: { type: 'string', description: 'a key', default: 'none' },
      headers: { type: 'object', properties: { authorization: { const: 'x' } } },
    },
  }
  const body = JSON.stringify(
    {
      model: 'gpt-4o-mini',
      messages: [
        { role: 'user', content: 'my {"api_key": "abc"} is lost', token: 'kept' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ function: { arguments: '{"token":"t"}' } }],
        },
      ],
      prompt_cache_key: 'cache-1',
      max_tokens: 7,
      stop_token_ids: [1, 2],
      metadata: { user_id: 'u-1' },
      tools: [{ type: 'function', function: { name: 'get_token', parameters: schema } }],
      response_format: { type: 'json_schema', json_schema: { name: 'n', schema } },
    },
    null,
    1
  )
  const before = await server.proxy.admin<Shown>('/records')
  await send(server.port, body)
  let shown: Shown = { data: [] }
  await eventually(async () => {
    shown = await server.proxy.admin<Shown>('/records?bodies=true')
    return shown.data.length > before.data.length
  })
  expect(shown.data[0]!.request).toBe(body)
})
