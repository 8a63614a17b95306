/** An upstream that states impossible counts of tokens makes no figure of the real server unreadable. */
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ADMIN_TOKEN, type ProxyProcess } from '../kit/process/proxy-process.ts'
import { startServer } from '../kit/process/built.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  eventually,
  respondJson,
  send,
  startUpstream,
  type FakeUpstream,
} from '../kit/proxy/harness.ts'
import { sharedFolder } from '../kit/temporary-folder.ts'

const dataDir = sharedFolder()
let upstream: FakeUpstream
let proxy: ProxyProcess

beforeAll(async () => {
  upstream = await startUpstream()
  proxy = await startServer({ DATA_DIR: dataDir, UPSTREAM_BASE_URL: upstream.url })
})

afterAll(async () => {
  await proxy.stop()
  upstream.close()
})

it('shows metrics after answers with 1e308 tokens', async () => {
  const port = Number(new URL(proxy.baseUrl).port)
  const usage = { prompt_tokens: 1e308, completion_tokens: 1e308, total_tokens: 1e308 }
  upstream.respond = respondJson({ ...completion('hello'), usage })
  for (let i = 0; i < 3; i++) await send(port, chatBody(`hi ${i}`))
  await eventually(async () => {
    const { data } = await proxy.admin<{ data: unknown[] }>('/records')
    return data.length === 3
  })
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
  const { status, text } = await send(port, null, { method: 'GET', path: '/metrics', headers })
  expect([status, text.includes('Infinity')]).toEqual([200, false])
})
