/** Users' feedback from outside: answer → header → feedback → export, with the official client. */
import OpenAI, { AuthenticationError, NotFoundError, type APIError } from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { runCli } from '../kit/process/built.ts'
import { goLive } from '../kit/store/live-server.ts'
import { PROMPT, TEMPLATE, TENANTS } from '../kit/proxy/lora-route.ts'
import {
  ADMIN_TOKEN,
  startServerProcess,
  type ServerProcess,
} from '../kit/process/server-process.ts'
import { AUTHORIZATION, startUpstream, type FakeUpstream } from '../kit/proxy/harness.ts'

let upstream: FakeUpstream
let server: ServerProcess

const start = async (env: Record<string, string> = {}): Promise<void> => {
  upstream = await startUpstream()
  const base = { UPSTREAM_BASE_URL: upstream.url, ENGINE: 'fake', TENANT_SECRET: TENANTS.secret }
  server = await startServerProcess({ ...base, ...env }, { prepare: goLive })
}

afterEach(async () => {
  await server.remove()
  upstream.close()
})

const clientOf = (apiKey: string): OpenAI =>
  new OpenAI({ apiKey, baseURL: `http://127.0.0.1:${server.port}/v1`, maxRetries: 0 })

/** Of the live route's tenant. */
const ownClient = (): OpenAI => clientOf(AUTHORIZATION.slice('Bearer '.length))

const ask = async (client: OpenAI, question = 'where is my card') => {
  const { response } = await client.chat.completions
    .create({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: PROMPT },
        { role: 'user', content: question },
      ],
    })
    .withResponse()
  const header = (name: string) => response.headers.get(`x-promptintern-${name}`)
  return { record: header('record')!, route: header('route') }
}

const rate = (client: OpenAI, record: string, rating: 'good' | 'bad', comment?: string) =>
  client.post('/promptintern/feedback', {
    body: { record, rating, ...(comment === undefined ? {} : { comment }) },
  })

/** How feedback is refused, without the id. */
const refusal = (client: OpenAI, id: string) =>
  rate(client, id, 'bad').then(
    () => 'stored',
    ({ status, code, message }: APIError) => [status, code, message.replace(id, 'id')]
  )

/** The log is written in batches: an application tries again. */
const rateOnceLogged = async (...parameters: Parameters<typeof rate>): Promise<void> =>
  expect
    .poll(
      () =>
        rate(...parameters).then(
          () => 'stored',
          (error: Error) => error.name
        ),
      { timeout: 10_000 }
    )
    .toBe('stored')

const admin = async <T>(path: string, body?: object): Promise<T> => {
  const response = await fetch(`http://127.0.0.1:${server.port}/admin/api${path}`, {
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as T
}

/** All feedback, as it is exported. */
const exported = async () =>
  (await admin<{ data: Record<string, unknown>[] }>('/ratings?after=feedback-0')).data

describe('feedback of an application', () => {
  it('reaches the export, with whose answer it is on', async () => {
    await start()
    const client = ownClient()
    const first = await ask(client)
    expect(first.route).toBe('skipped')
    const second = await ask(client)
    expect(second.route).toBe('answered')
    await rateOnceLogged(client, first.record, 'good')
    await rateOnceLogged(client, second.record, 'good')
    await rateOnceLogged(client, second.record, 'bad', 'It was another card.')
    expect(await exported()).toMatchObject([
      { recordId: first.record, answeredBy: 'upstream', rating: 'good', comment: null },
      {
        kind: 'feedback',
        recordId: second.record,
        templateVersion: TEMPLATE.version,
        lora: 'fake-base',
        answeredBy: 'lora',
        rating: 'bad',
        comment: 'It was another card.',
        by: 'application',
        side: 'lora',
        conversation: second.record,
        counts: true,
      },
    ])
    expect(upstream.requests.map(({ url }) => url)).toEqual(['/v1/chat/completions'])
  })

  it('with another key is not found, as for a record that never was', async () => {
    await start()
    const { record } = await ask(ownClient())
    await rateOnceLogged(ownClient(), record, 'good')
    const unknown = '00000000-0000-7000-8000-000000000000'
    const other = await refusal(clientOf('sk-test-of-another'), record)
    expect(other).toEqual([404, 'not_found', expect.stringContaining('no record id of this key')])
    expect(await refusal(ownClient(), unknown)).toEqual(other)
    expect(await exported()).toMatchObject([{ rating: 'good' }])
    expect(upstream.requests).toHaveLength(1)
  })

  it('is gone with its record, and takes no more', async () => {
    await start()
    const { record } = await ask(ownClient())
    await rateOnceLogged(ownClient(), record, 'good')
    await admin('/forget', { recordIds: [record] })
    expect(await exported()).toEqual([])
    await expect(rate(ownClient(), record, 'bad')).rejects.toThrow('forgotten')
  })

  it('with issued keys may come with any key of the tenant, and needs a valid one', async () => {
    await start({ ACCESS: 'keys', UPSTREAM_API_KEY: 'sk-of-the-operator' })
    const issue = async (name: string, tenant: string): Promise<OpenAI> => {
      const words = ['keys', 'create', '--name', name, '--tenant', tenant, '--json']
      const created = await runCli({ DATA_DIR: server.dataDir }, ...words)
      return clientOf((JSON.parse(created) as { secret: string }).secret)
    }
    const [web, app, other] = [
      await issue('web', 'shop'),
      await issue('app', 'shop'),
      await issue('other', 'bank'),
    ]
    await expect
      .poll(
        () =>
          other.models.list().then(
            () => 'known',
            () => 'unknown'
          ),
        { timeout: 10_000 }
      )
      .toBe('known')
    const { record } = await ask(web)
    await rateOnceLogged(app, record, 'bad')
    await expect(rate(other, record, 'good')).rejects.toThrow(NotFoundError)
    await expect(rate(clientOf('pi-made-up'), record, 'good')).rejects.toThrow(AuthenticationError)
    expect(await exported()).toMatchObject([{ rating: 'bad', lora: null }])
  })
})
