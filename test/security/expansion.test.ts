/** Requests that name kept responses: what they may cost the proxy, its store and its upstream. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, it } from 'vitest'
import type { KeptResponse, KeptResponses } from '../../src/core/log/kept-response.ts'
import { inputItemId, outputItemId, responseId } from '../../src/openai/ids.ts'
import { createBodyBudget } from '../../src/proxy/client/body-budget.ts'
import { rememberedResponses } from '../kit/proxy/kept-responses.ts'
import { FakeLora, withLora } from '../kit/proxy/lora.ts'
import { PROMPT, TEMPLATE } from '../kit/proxy/lora-route.ts'
import { keyFor, secretFor, startKeyed } from '../kit/proxy/keyed.ts'
import {
  AUTHORIZATION,
  eventually,
  openSocket,
  respondJson,
  startHarness,
  UNMATCHED_BODY,
  type Harness,
} from '../kit/proxy/harness.ts'

const { model, tenant } = TEMPLATE
const RESPONSES = '/v1/responses'
const EXPANDED = [RESPONSES, `${RESPONSES}/compact`, `${RESPONSES}/input_tokens`]

let harness: Harness
afterEach(() => harness.close())

const recordId = (number: number): string =>
  `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`

const keptResponse = (number: number, more: object = {}): KeptResponse => ({
  id: recordId(number),
  tenant,
  at: 0,
  request: JSON.stringify({ model, input: 'q', ...more }),
  response: JSON.stringify({
    id: responseId(recordId(number)),
    output: [{ type: 'message', content: [{ text: 'hi' }] }],
  }),
})

const keep = async (count: number): Promise<KeptResponses> => {
  const kept = rememberedResponses()
  for (let number = 0; number < count; number++) await kept.put(keptResponse(number))
  return kept
}

const referring = (count: number, idOf: (number: number) => string): string =>
  JSON.stringify({
    model,
    input: Array.from({ length: count }, (_, number) => ({
      type: 'item_reference',
      id: idOf(number),
    })),
  })

const outputOf = (number: number): string => outputItemId('msg', recordId(number), 0)

/** Counts the reads, and each takes a while. */
const slowly = (kept: KeptResponses, ms: number) => {
  const slow = {
    ...kept,
    reads: 0,
    get: async (id: string, of: string) => {
      slow.reads++
      await delay(ms)
      return kept.get(id, of)
    },
  }
  return slow
}

const post = (path: string, body: string) =>
  openSocket(
    harness.port,
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${AUTHORIZATION}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  )

const msOf = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const tellWhoIsAccepted = (): void => {
  harness.upstream.respond = (asked, response) =>
    respondJson({ data: [] }, asked.headers.authorization === undefined ? 401 : 200)(
      asked,
      response
    )
}
const lists = () => harness.upstream.requests.filter(({ url }) => url.startsWith('/v1/models'))

describe('a request that names kept responses', () => {
  it('reads a large one once for a thousand items', async () => {
    const kept = rememberedResponses()
    const metadata = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`key-${i}`, 'v']))
    await kept.put(keptResponse(1, { metadata }))
    harness = await startHarness({ ...withLora(new FakeLora()), keptResponses: kept })
    await harness.send(UNMATCHED_BODY)
    const askFor = (count: number) =>
      msOf(() =>
        harness.send(
          referring(count, () => inputItemId('msg', recordId(1), 0)),
          { path: RESPONSES }
        )
      )
    const soonest = async (count: number): Promise<number> =>
      Math.min(await askFor(count), await askFor(count), await askFor(count))
    await askFor(1)
    const [one, thousand] = [await soonest(1), await soonest(1000)]
    expect(harness.upstream.requests.at(-1)!.body.length).toBeGreaterThan(25_000)
    expect(thousand).toBeLessThan(15 * one)
  })

  it.each(EXPANDED)('gives its memory back when its client leaves meanwhile: %s', async (path) => {
    const bodies = createBodyBudget(2 ** 20, () => 0)
    const kept = slowly(rememberedResponses(), 100)
    await kept.put(keptResponse(1, { input: 'x'.repeat(100_000) }))
    harness = await startHarness({ keptResponses: kept, bodies })
    await harness.send(UNMATCHED_BODY)
    const asked = harness.upstream.requests.length
    const body = { model, input: 'x', previous_response_id: responseId(recordId(1)) }
    const { socket } = post(path, JSON.stringify(body))
    await eventually(() => kept.reads === 1)
    socket.destroy()
    await delay(300)
    expect(bodies.inUse()).toBe(0)
    expect(harness.upstream.requests.length).toBe(asked)
  })

  it('takes the memory of what it reads from the budget', async () => {
    const bodies = createBodyBudget(100_000, () => 0)
    const kept = rememberedResponses()
    for (let number = 0; number < 10; number++)
      await kept.put(keptResponse(number, { metadata: { text: 'x'.repeat(10_000) } }))
    harness = await startHarness({ keptResponses: kept, bodies })
    await harness.send(UNMATCHED_BODY)
    const few = await harness.send(referring(2, outputOf), { path: RESPONSES })
    const many = await harness.send(referring(10, outputOf), { path: RESPONSES })
    expect([few.status, many.status]).toEqual([200, 503])
    await eventually(() => bodies.inUse() === 0)
  })

  it('asks the upstream once about its credentials', async () => {
    harness = await startHarness({ keptResponses: await keep(50) })
    tellWhoIsAccepted()
    const body = referring(50, outputOf)
    expect((await harness.send(body, { path: `${RESPONSES}/compact` })).status).toBe(200)
    // with the credentials and without
    expect(lists()).toHaveLength(2)
  })

  it('reads no more when its client has left', async () => {
    const kept = slowly(await keep(100), 20)
    harness = await startHarness({ keptResponses: kept })
    tellWhoIsAccepted()
    const { socket } = post(`${RESPONSES}/compact`, referring(100, outputOf))
    await eventually(() => kept.reads > 2)
    socket.destroy()
    await delay(100)
    const { reads } = kept
    await delay(200)
    expect(kept.reads).toBe(reads)
    expect(reads).toBeLessThan(50)
  })

  it('reads no more behind one that is not kept, since the upstream refuses it', async () => {
    const kept = slowly(rememberedResponses(), 0)
    harness = await startHarness({ keptResponses: kept })
    const body = referring(500, outputOf)
    await harness.send(body, { path: RESPONSES })
    expect(kept.reads).toBe(1)
    expect(harness.upstream.requests.at(-1)!.body.toString()).toBe(body)
  })

  it('is refused with more than 1,000 references', async () => {
    harness = await startHarness({ keptResponses: rememberedResponses() })
    const answer = await harness.send(referring(1001, outputOf), { path: RESPONSES })
    expect(answer.status).toBe(400)
    expect(answer.text).toContain('more than 1000 items')
  })

  it.each([
    ['a word', 'tru'],
    ['a number', '01'],
    ['an escape', '"\\x"'],
    ['a control character', '"a\tb"'],
    ['lists without an end', '['.repeat(20_000)],
  ])('is the upstream’s to refuse where it is no JSON: %s', async (_, broken) => {
    harness = await startHarness({ keptResponses: rememberedResponses() })
    harness.upstream.respond = respondJson({ error: { message: 'no JSON' } }, 400)
    const body = `{"model":"${model}","input":[{"id":"${outputOf(1)}","type":"message","x":${broken}}]}`
    for (const path of EXPANDED) expect((await harness.send(body, { path })).status).toBe(400)
    expect(harness.upstream.requests).toHaveLength(EXPANDED.length)
    expect(harness.faults.filter(({ kind }) => kind === 'request')).toEqual([])
  })

  it('passes unread with `x-promptintern-bypass`', async () => {
    harness = await startHarness({ keptResponses: await keep(1) })
    await harness.send(UNMATCHED_BODY)
    const body = referring(1, outputOf)
    const headers = {
      authorization: AUTHORIZATION,
      'content-type': 'application/json',
      'x-promptintern-bypass': 'true',
    }
    for (const path of EXPANDED) await harness.send(body, { path, headers })
    const sent = harness.upstream.requests.slice(-EXPANDED.length)
    expect(sent.map((request) => request.body.toString())).toEqual(EXPANDED.map(() => body))
  })
})

describe('a kept response', () => {
  it('is not deleted by a key over its rate', async () => {
    const kept = rememberedResponses()
    const started = await startKeyed([keyFor('a', { requestsPerMinute: 1 })], {
      keptResponses: kept,
    })
    harness = started.harness
    const { tenant: own } = keyFor('a')
    await kept.put({ ...keptResponse(1), tenant: own })
    const headers = { authorization: `Bearer ${secretFor('a')}` }
    const path = `${RESPONSES}/${responseId(recordId(1))}`
    expect((await harness.send(null, { method: 'GET', path, headers })).status).toBe(200)
    expect((await harness.send(null, { method: 'DELETE', path, headers })).status).toBe(429)
    expect(await kept.get(recordId(1), own)).not.toBeNull()
  })

  it('is not found by the id of one of its items', async () => {
    harness = await startHarness({ keptResponses: await keep(1) })
    await harness.send(UNMATCHED_BODY)
    const asked = harness.upstream.requests.length
    await harness.send(null, { method: 'GET', path: `${RESPONSES}/${outputOf(0)}` })
    expect(harness.upstream.requests.length).toBe(asked + 1)
  })

  it('is none where its client leaves while it is stored', async () => {
    const inner = rememberedResponses()
    let isStoring = false
    const put = async (kept: KeptResponse): Promise<void> => {
      isStoring = true
      await delay(200)
      await inner.put(kept)
    }
    harness = await startHarness({ ...withLora(new FakeLora()), keptResponses: { ...inner, put } })
    await harness.send(UNMATCHED_BODY)
    const { socket } = post(RESPONSES, JSON.stringify({ model, instructions: PROMPT, input: 'q' }))
    await eventually(() => isStoring)
    socket.destroy()
    const last = async () => (await harness.records()).at(-1)
    await eventually(async () => (await last())?.route?.reason === 'client-closed')
    const record = await last()
    expect(record!.route!.promptTokensSaved).toBe(0)
    expect(await inner.get(record!.id, tenant)).toBeNull()
  })
})
