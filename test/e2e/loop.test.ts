/**
 * The whole loop from a user's view: the real server with its worker and the fake engine as processes,
 * the official client, and an upstream that knows the right answers.
 */
import OpenAI from 'openai'
import { describe, expect, it } from 'vitest'
import { startServer } from '../kit/process/built.ts'
import { startReplayUpstream } from '../kit/upstream/replay-upstream.ts'
import { untilState } from '../kit/process/internalizations.ts'
import { loopSettings } from '../kit/process/loop-settings.ts'
import { colourOf, PROMPT, questionOf } from '../kit/records/paint-orders.ts'
import { inTens } from '../kit/traffic/lanes.ts'
import { useServer } from '../kit/whole/use-server.ts'

const messagesOf = (number: number, prompt = PROMPT) => [
  { role: 'system' as const, content: prompt },
  {
    role: 'user' as const,
    content: questionOf(number),
  },
]

describe('the loop', () => {
  const server = useServer(startReplayUpstream, ({ baseUrl }) => ({
    ...loopSettings(),
    UPSTREAM_BASE_URL: baseUrl,
  }))

  const ask = async (number: number, prompt = PROMPT, from = server.client) => {
    server.upstream.add(messagesOf(number, prompt), colourOf(number), 90)
    const { data, response } = await from.chat.completions
      .create({ model: 'gpt-4o-mini', temperature: 0, messages: messagesOf(number, prompt) })
      .withResponse()
    return { answer: data.choices[0]!.message.content, data, headers: response.headers }
  }

  const waitForRoutes = async (count: number): Promise<void> => {
    while ((await server.proxy.admin<{ routes: number }>('/status')).routes !== count)
      await new Promise((resolve) => setTimeout(resolve, 100))
  }

  it('logs traffic, detects the template, trains and waits for approval', async () => {
    await inTens(300, (number) => ask(number))
    const { data } = await server.proxy.admin<{ data: unknown[] }>('/records?limit=5')
    expect(data).toHaveLength(5)
    await untilState(server.proxy, 'approval')
  })

  it('answers without the prompt once a person has approved', async () => {
    const { id } = await untilState(server.proxy, 'approval')
    await server.proxy.admin(`/internalizations/${id}/approve`, { method: 'POST' })
    await waitForRoutes(1)
    const before = server.upstream.counts.answered
    const { answer, data, headers } = await ask(1001)
    expect(headers.get('x-promptintern-route')).toBe('answered')
    expect(answer).toBe(colourOf(1001))
    expect(data.usage!.prompt_tokens).toBeLessThan(60)
    expect(Number(headers.get('x-promptintern-prompt-tokens-saved'))).toBeGreaterThan(0)
    expect(server.upstream.counts.answered).toBe(before)
  })

  it('streams an adapted answer to the official client', async () => {
    const stream = await server.client.chat.completions.create({
      model: 'gpt-4o-mini',
      temperature: 0,
      messages: messagesOf(1002),
      stream: true,
    })
    let text = ''
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    expect(text).toBe(colourOf(1002))
  })

  it('sends a prompt with one different character to the upstream', async () => {
    const before = server.upstream.counts.answered
    const { headers } = await ask(1003, PROMPT.replace('warehouse', 'Warehouse'))
    expect(headers.get('x-promptintern-route')).toBeNull()
    expect(server.upstream.counts.answered).toBe(before + 1)
  })

  it('never answers a caller whose key the upstream has not accepted', async () => {
    const stranger = new OpenAI({
      baseURL: `${server.proxy.baseUrl}/v1`,
      apiKey: 'other',
      maxRetries: 0,
    })
    const before = server.upstream.counts.answered
    const { headers } = await ask(1004, PROMPT, stranger)
    expect(headers.get('x-promptintern-route')).toBeNull()
    expect(server.upstream.counts.answered).toBe(before + 1)
  })

  it('still answers after a restart, and stops after a rollback', async () => {
    await server.proxy.kill()
    server.proxy = await startServer({
      DATA_DIR: server.dataDir,
      UPSTREAM_BASE_URL: server.upstream.baseUrl,
      ENGINE: 'fake',
    })
    // the first request proves the key, later ones may be answered
    expect((await ask(1005)).headers.get('x-promptintern-reason')).toBe('credential-not-accepted')
    // the lora may be unsure of one of them
    const routes: (string | null)[] = []
    for (const number of [1006, 1008, 1009])
      routes.push((await ask(number)).headers.get('x-promptintern-route'))
    expect(routes).toContain('answered')
    const { id } = await untilState(server.proxy, 'live')
    await server.proxy.admin(`/internalizations/${id}/rollback`, { method: 'POST' })
    await waitForRoutes(0)
    expect((await ask(1007)).headers.get('x-promptintern-route')).toBeNull()
  })
})
