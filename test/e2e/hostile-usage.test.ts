/** An upstream that states impossible counts of tokens makes no figure of the real server unreadable. */
import { expect, it } from 'vitest'
import { ADMIN_TOKEN } from '../kit/process/proxy-process.ts'
import { completion } from '../kit/records/completion.ts'
import { chatBody, eventually, respondJson, send, startUpstream } from '../kit/proxy/harness.ts'
import { useServer } from '../kit/whole/use-server.ts'

const server = useServer(startUpstream, ({ url }) => ({ UPSTREAM_BASE_URL: url }))

it('shows metrics after answers with 1e308 tokens', async () => {
  const usage = { prompt_tokens: 1e308, completion_tokens: 1e308, total_tokens: 1e308 }
  server.upstream.respond = respondJson({ ...completion('hello'), usage })
  for (let i = 0; i < 3; i++) await send(server.port, chatBody(`hi ${i}`))
  await eventually(async () => {
    const { data } = await server.proxy.admin<{ data: unknown[] }>('/records')
    return data.length === 3
  })
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  const { status, text } = await send(server.port, null, {
    method: 'GET',
    path: '/metrics',
    headers,
  })
  expect([status, text.includes('Infinity')]).toEqual([200, false])
})
