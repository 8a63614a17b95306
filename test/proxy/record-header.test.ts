/** `x-promptintern-record`: on every answer whose exchange is logged, the id of its record. */
import { afterEach, describe, expect, it } from 'vitest'
import { FakeLora, withLora } from '../kit/proxy/lora.ts'
import { keyFor, secretFor, startKeyed } from '../kit/proxy/keyed.ts'
import { completion } from '../kit/records/completion.ts'
import {
  chatBody,
  UNMATCHED_BODY,
  recordId,
  respondEvents,
  respondJson,
  startHarness,
  type Harness,
  type RawAnswer,
  type SendOptions,
} from '../kit/proxy/harness.ts'

let harness: Harness
afterEach(() => harness.close())

const recordOf = ({ headers }: RawAnswer): unknown => headers['x-promptintern-record']

/** The header, and the ids of all records. */
const sent = async (body: string, options: SendOptions = {}) => {
  const answer = await harness.send(body, options)
  const ids = (await harness.records()).map(({ id }) => id)
  return { status: answer.status, header: recordOf(answer), ids }
}

const openLora = async (): Promise<void> => {
  harness = await startHarness(withLora(new FakeLora()))
  // the upstream accepts the credential
  await harness.send(UNMATCHED_BODY)
}

describe('an answer of the upstream', () => {
  it.each<[string, Record<string, unknown>, Harness['upstream']['respond'], number]>([
    ['whole', {}, respondJson(completion('hello')), 200],
    ['a stream', { stream: true }, respondEvents('data: [DONE]\n\n'), 200],
    ['an error', {}, respondJson({ error: { message: 'no' } }, 400), 400],
    ['broken off before its head', {}, (_request, response) => response.destroy(), 502],
  ])('has the id of its record: %s', async (_case, extra, respond, status) => {
    harness = await startHarness()
    harness.upstream.respond = respond
    expect(await sent(chatBody('hi', extra))).toEqual({
      status,
      header: recordId(1),
      ids: [recordId(1)],
    })
  })

  it('has it beside the headers that explain a decision', async () => {
    await openLora()
    const answer = await harness.send(chatBody('where is my card', { n: 2 }))
    expect(answer.headers['x-promptintern-reason']).toBe('several-choices')
    expect(recordOf(answer)).toBe((await harness.records())[1]!.id)
  })

  it('has no header of the upstream that could be taken for the proxy’s', async () => {
    harness = await startHarness()
    harness.upstream.respond = (_request, response) => {
      response.setHeader('x-promptintern-route', 'answered')
      response.setHeader('X-PromptIntern-Anything', 'forged')
      response.setHeader('x-request-id', 'of-the-upstream')
      respondJson(completion('hello'))(_request, response)
    }
    for (const path of ['/v1/chat/completions', '/v1/models']) {
      const { headers } = await harness.send(chatBody('hi'), { path })
      const names = Object.keys(headers).filter((name) => name.startsWith('x-promptintern-'))
      expect(names.filter((name) => name !== 'x-promptintern-record')).toEqual([])
      expect(headers['x-request-id']).toBe('of-the-upstream')
    }
  })

  it('has none where nothing is logged', async () => {
    harness = await startHarness({ isCaptured: () => false })
    expect(await sent(chatBody('hi'))).toEqual({ status: 200, header: undefined, ids: [] })
  })

  it('has none where its client does not want it logged', async () => {
    harness = await startHarness()
    const headers = { 'x-promptintern-capture': 'false' }
    expect(await sent(chatBody('hi'), { headers })).toMatchObject({ header: undefined, ids: [] })
  })

  it.each<[string, SendOptions, unknown]>([
    ['a chat completion', {}, recordId(1)],
    ['one that is not logged', { headers: { 'x-promptintern-capture': 'false' } }, undefined],
    ['one that bypasses the proxy', { headers: { 'x-promptintern-bypass': 'true' } }, undefined],
    ['another path', { path: '/v1/embeddings' }, undefined],
  ])('never has the upstream`s own: %s', async (_case, options, expected) => {
    harness = await startHarness()
    const headers = { 'X-Promptintern-Record': 'of-another-proxy' }
    harness.upstream.respond = respondJson(completion('hello'), 200, headers)
    const answer = await harness.send(chatBody('hi'), options)
    expect(recordOf(answer)).toBe(expected)
    expect(answer.text).toBe(JSON.stringify(completion('hello')))
  })

  it('has none, and arrives, when its key was revoked meanwhile', async () => {
    const keyed = await startKeyed([keyFor('a')])
    harness = keyed.harness
    // reading the caller again fails when the request is with the upstream
    const { identify } = harness.deps.tenants
    harness.deps.tenants.identify = (carrier) => {
      keyed.replaceKeys([])
      return identify(carrier)
    }
    const answer = await harness.send(chatBody('hi'), {
      headers: { authorization: `Bearer ${secretFor('a')}` },
    })
    expect([answer.status, recordOf(answer)]).toEqual([200, undefined])
    expect(await harness.records()).toEqual([])
    expect(harness.faults.map(({ kind }) => kind)).toEqual(['exchange-end'])
  })
})

describe('an answer of the lora', () => {
  it.each([false, true])('has the id of its record (stream: %s)', async (stream) => {
    await openLora()
    const answer = await harness.send(chatBody('where is my card', { stream }))
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    const { id } = (await harness.records())[1]!
    expect([recordOf(answer), answer.headers['x-request-id']]).toEqual([id, `req_${id}`])
  })

  it('has none where its client does not want it logged', async () => {
    await openLora()
    const headers = { 'x-promptintern-capture': 'false' }
    const answer = await harness.send(chatBody('where is my card'), { headers })
    expect(answer.headers['x-promptintern-route']).toBe('answered')
    expect(answer.headers['x-request-id']).toBeDefined()
    expect(recordOf(answer)).toBeUndefined()
  })
})

describe('a refusal of the proxy', () => {
  it('has no record', async () => {
    harness = await startHarness({ ownSecrets: ['token'] })
    const headers = { authorization: 'Bearer token' }
    expect(await sent(chatBody('hi'), { headers })).toEqual({
      status: 401,
      header: undefined,
      ids: [],
    })
  })
})
