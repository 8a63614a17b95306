/** Kept responses of a key that the upstream has revoked: `ACCESS=forward`, a real proxy and its upstream. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { responseId } from '../../src/openai/ids.ts'
import { createTenants } from '../../src/proxy/access/tenants.ts'
import { completion } from '../kit/records/completion.ts'
import {
  AUTHORIZATION,
  errorOf,
  recordId,
  respondJson,
  send,
  startHarness,
  type FakeUpstream,
  type Harness,
  type RawAnswer,
  type Responder,
} from '../kit/proxy/harness.ts'

const TTL_MS = 60_000
const SECRET_TEXT = 'my diagnosis is secret'
const KEPT = `/v1/responses/${responseId(recordId(99))}`

const RESPONSE = {
  id: responseId(recordId(99)),
  object: 'response',
  output: [{ type: 'message', role: 'assistant', content: [{ text: SECRET_TEXT }] }],
}

const NOT_FOUND = respondJson({ error: { message: 'no such response', code: null } }, 404)
const REFUSED = respondJson({ error: { message: 'Incorrect API key', code: null } }, 401)

/** An upstream that knows one key, and says so by each path. */
const upstreamThat =
  (knows: () => boolean, isListPublic: boolean): Responder =>
  (request, out) => {
    const isKnown = knows() && request.headers.authorization === AUTHORIZATION
    if (request.method === 'GET' && request.url.startsWith('/v1/models') && isListPublic)
      return respondJson({ object: 'list', data: [] })(request, out)
    if (!isKnown) return REFUSED(request, out)
    if (request.url.startsWith('/v1/responses/')) return NOT_FOUND(request, out)
    return respondJson(completion('fine'))(request, out)
  }

describe.each([
  ['whose list of models needs a key', false],
  ['whose list of models is public', true],
])('at an upstream %s', (_what, isListPublic) => {
  const clock = { now: 1_000_000 }
  let harness: Harness
  let other: FakeUpstream | null
  let isKnown: boolean

  const start = async (): Promise<void> => {
    const tenants = createTenants({
      secret: 'secret',
      ttlMs: TTL_MS,
      maxEntries: 100,
      now: () => clock.now,
    })
    harness = await startHarness({ tenants })
    isKnown = true
    harness.upstream.respond = upstreamThat(() => isKnown, isListPublic)
    const rawHeaders = ['authorization', AUTHORIZATION]
    await harness.deps.keptResponses!.put({
      id: recordId(99),
      tenant: tenants.identify({ rawHeaders }).tenant,
      at: clock.now,
      request: JSON.stringify({ model: 'gpt-4o-mini', input: SECRET_TEXT }),
      response: JSON.stringify(RESPONSE),
    })
  }

  beforeEach(async () => {
    other = null
    await start()
  })
  afterEach(async () => {
    other?.close()
    await harness.close()
  })

  const read = (path: string = KEPT, method = 'GET'): Promise<RawAnswer> =>
    send(harness.port, null, { method, path })
  const create = (fields: Record<string, unknown> = {}): Promise<RawAnswer> =>
    harness.send(JSON.stringify({ model: 'gpt-4o-mini', input: 'go on', ...fields }), {
      path: '/v1/responses',
    })
  const goOn = (fields: Record<string, unknown> = {}): Promise<RawAnswer> =>
    create({ previous_response_id: responseId(recordId(99)), ...fields })

  it('a key that was accepted a moment ago reads, continues and deletes', async () => {
    expect((await create()).status).toBe(200)
    expect((await read()).text).toContain(SECRET_TEXT)
    expect((await read(`${KEPT}/input_items`)).text).toContain(SECRET_TEXT)
    expect((await goOn()).status).toBe(200)
    expect(harness.upstream.bodies().at(-1)).toContain(SECRET_TEXT)
    expect((await read(KEPT, 'DELETE')).text).toContain('"deleted":true')
  })

  it.each(['after a refusal that the proxy saw', 'that has not been checked for long'])(
    'a revoked key %s reads, continues and deletes nothing',
    async (when) => {
      expect((await create()).status).toBe(200)
      isKnown = false
      if (when.startsWith('after')) expect((await create()).status).toBe(401)
      else clock.now += TTL_MS + 1
      for (const [path, method] of [
        [KEPT, 'GET'],
        [`${KEPT}/input_items`, 'GET'],
        [KEPT, 'DELETE'],
      ] as const) {
        const answer = await read(path, method)
        expect([401, 403]).toContain(answer.status)
        expect(answer.text).not.toContain(SECRET_TEXT)
      }
      expect((await goOn()).status).toBe(401)
      isKnown = true
      // a success counts where it began after the refusal
      clock.now += 1000
      expect((await create()).status).toBe(200)
      expect((await read()).text).toContain(SECRET_TEXT)
    }
  )

  it('a good key that has not been checked for long goes on, because the upstream sees it', async () => {
    clock.now += TTL_MS + 1
    expect((await goOn()).status).toBe(200)
    expect(harness.upstream.bodies().at(-1)).toContain(SECRET_TEXT)
  })

  it('a good key that has not been checked for long reads once the upstream has confirmed it', async () => {
    const first = await read()
    if (isListPublic) {
      expect(first.status).toBe(403)
      expect(errorOf(first).message).toContain('completion')
      expect((await create()).status).toBe(200)
    } else expect(first.status).toBe(200)
    expect((await read()).text).toContain(SECRET_TEXT)
  })

  it('no kept response is given while the upstream cannot be asked', async () => {
    harness.upstream.respond = respondJson({ error: { message: 'down' } }, 503)
    const answer = await read()
    expect(answer.status).toBe(502)
    expect(answer.text).not.toContain(SECRET_TEXT)
  })
})

it('a revoked key does not go on at another upstream, with a key of the operator', async () => {
  const open = await startHarness()
  const entry = { name: 'own', baseUrl: `${open.upstream.url}/v1`, apiKey: 'sk-operator' }
  const harness = await startHarness({
    failover: {
      upstreams: [{ ...entry, models: ['own-*'], fallback: [] }],
      breaker: { maxFailures: 3, pauseMs: 60_000 },
      retryAfterMaxMs: 0,
    },
  })
  harness.upstream.respond = REFUSED
  const { deps } = harness
  const { tenant } = deps.tenants.identify({ rawHeaders: ['authorization', AUTHORIZATION] })
  const request = JSON.stringify({ model: 'gpt-4o-mini', input: SECRET_TEXT })
  const response = JSON.stringify(RESPONSE)
  await deps.keptResponses!.put({ id: recordId(99), tenant, at: 1, request, response })
  const body = {
    model: 'own-model',
    previous_response_id: responseId(recordId(99)),
    input: 'Repeat it.',
  }
  const answer = await harness.send(JSON.stringify(body), { path: '/v1/responses' })
  expect(answer.status).toBe(401)
  expect(open.upstream.bodies().join()).not.toContain(SECRET_TEXT)
  await harness.close()
  await open.close()
})
