/** Metrics, health and logs of the real server. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { ADMIN_TOKEN } from '../kit/process/proxy-process.ts'
import { completion } from '../kit/records/completion.ts'
import { CHAT_PATH, eventually, respondJson, startUpstream } from '../kit/proxy/harness.ts'
import { useServer } from '../kit/whole/use-server.ts'

const KEY = 'sk-secret-key-0123456789'
const WORDS = 'pelican-quartz'

const documented = (): string[] => {
  const path = fileURLToPath(new URL('../../docs/metrics.md', import.meta.url))
  return [...readFileSync(path, 'utf8').matchAll(/^\| `(promptintern_\w+)` \| (\w+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`
  )
}

const chat = (extra: Record<string, unknown> = {}): string =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: WORDS }], ...extra })

describe('a server', () => {
  let log = ''
  const server = useServer(
    async () => {
      const upstream = await startUpstream()
      upstream.respond = respondJson(completion(`an answer about ${WORDS}`))
      return upstream
    },
    ({ url }) => ({ UPSTREAM_BASE_URL: `${url}/v1`, ENGINE: 'fake', LOG_LEVEL: 'debug' }),
    (text) => (log += text)
  )

  const ask = (body: string, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.proxy.baseUrl + CHAT_PATH, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}`, ...headers },
      body,
    })
  const metrics = async (): Promise<string> => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` }
    return (await fetch(`${server.proxy.baseUrl}/metrics`, { headers })).text()
  }

  it('shows exactly the metrics that docs/metrics.md lists', async () => {
    const shown = [...(await metrics()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
      ([, name, type]) => `${name} ${type}`
    )
    expect(shown.sort()).toEqual(documented().sort())
  })

  it('counts the tokens of logged answers', async () => {
    await (await ask(chat())).text()
    let text = ''
    await eventually(async () => {
      text = await metrics()
      return text.includes('promptintern_tokens_total{by="upstream",kind="input"} 9')
    })
    expect(text).toContain('promptintern_tokens_total{by="upstream",kind="output"} 3')
  })

  it('shows missing usage as null, with an estimate', async () => {
    const { usage: _, ...uncounted } = completion('four or five words')
    server.upstream.respond = respondJson(uncounted)
    await (await ask(chat({ user: 'uncounted' }))).text()
    let record: { usage: unknown; request?: string; estimatedUsage?: { prompt_tokens: number } } = {
      usage: undefined,
    }
    await eventually(async () => {
      const { data } = await server.proxy.admin<{ data: (typeof record)[] }>(
        '/records?limit=1&bodies=true'
      )
      record = data[0] ?? record
      return record.request?.includes('uncounted') === true
    })
    expect(record.usage).toBeNull()
    expect(record.estimatedUsage).toMatchObject({ completion_tokens: 4 })
    expect(record.estimatedUsage?.prompt_tokens).toBeGreaterThan(7)
    expect(await metrics()).toContain('promptintern_answers_without_usage_total{by="upstream"} 1')
  })

  it('is alive and ready, and reports that its engine answers', async () => {
    expect(await (await fetch(`${server.proxy.baseUrl}/healthz`)).json()).toEqual({ status: 'ok' })
    const ready = await fetch(`${server.proxy.baseUrl}/readyz`)
    expect(await ready.json()).toEqual({ status: 'ready', checks: { store: true, log: true } })
    expect(await metrics()).toContain('promptintern_engine_reachable{engine="default"} 1')
    expect(await server.proxy.admin('/status')).toMatchObject({ engineReachable: true })
  })

  it('logs neither keys nor bodies when requests fail', async () => {
    await (await ask(chat())).text()
    await (await ask(chat({ stream: true }))).text()
    await (await ask(`{"broken ${WORDS}`)).text()
    server.upstream.respond = (_request, response) => response.destroy()
    await (await ask(chat())).text()
    await fetch(`${server.proxy.baseUrl}/admin/api/records`, {
      headers: { authorization: `Bearer ${KEY}` },
    })
    await fetch(`${server.proxy.baseUrl}/admin/api/internalizations/${WORDS}`, {
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    })
    await server.proxy.stop()
    expect(log).toContain('"msg":"listening"')
    expect(log).toContain('"msg":"draining"')
    for (const secret of [KEY, ADMIN_TOKEN, WORDS]) expect(log).not.toContain(secret)
  })
})
