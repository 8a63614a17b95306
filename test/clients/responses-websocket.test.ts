/**
 * The Responses API over WebSocket, as its users speak it: turns one after another, a conversation that the connection
 * keeps, its loss, and one that begins with a compacted history. Directly and through the proxy, message by message.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WebSocket } from 'ws'
import { eventErrors } from '../kit/upstream/openapi/api-shape.ts'
import { startWebSocketUpstream } from '../kit/upstream/websocket-upstream.ts'
import { startHarness, type Harness } from '../kit/proxy/harness.ts'
import { API_KEY, createOpenAiUpstream } from './openai-upstream.ts'
import { echo } from './upstream/asked.ts'
import { serveResponses } from './upstream/responses.ts'

type Message = Record<string, unknown>
/** The next request, from the messages that came so far. */
type Ask = (heard: Message[]) => Message

const model = 'gpt-4o-mini'
const create = (more: object): Message => ({
  type: 'response.create',
  model,
  store: false,
  ...more,
})

const isLast = ({ type }: Message): boolean => type === 'response.completed' || type === 'error'

/** Asks each question when the one before is answered. */
const converse = (url: string, asks: Ask[]): Promise<Message[]> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/responses`, {
      headers: { authorization: `Bearer ${API_KEY}` },
    })
    const heard: Message[] = []
    const waiting = [...asks]
    const next = (): void => {
      const ask = waiting.shift()
      if (ask === undefined) socket.close()
      else socket.send(JSON.stringify(ask(heard)))
    }
    socket.on('open', next)
    socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as Message
      heard.push(message)
      if (isLast(message)) next()
    })
    socket.on('close', () => resolve(heard))
    socket.on('error', reject)
  })

const idIn = (heard: Message[]): string =>
  (heard.find(({ type }) => type === 'response.completed')!['response'] as { id: string }).id

const continuing =
  (more: object): Ask =>
  (heard) =>
    create({ previous_response_id: idIn(heard), ...more })

const RESULT = { type: 'function_call_output', call_id: 'call_unknown', output: 'nothing' }

const CONVERSATIONS: [name: string, asks: Ask[], ends: unknown[]][] = [
  ['one answer', [() => create({ input: 'Count to 3.' })], ['response.completed']],
  [
    'two answers one after another',
    [() => create({ input: 'first' }), () => create({ input: 'second' })],
    ['response.completed', 'response.completed'],
  ],
  [
    'a turn that continues what only the connection keeps',
    [() => create({ input: 'The word is cobalt.' }), continuing({ input: 'Which word?' })],
    ['response.completed', 'response.completed'],
  ],
  [
    'a response that nobody knows, and a new beginning',
    [
      () => create({ previous_response_id: 'resp_missing', input: 'Which word?' }),
      () => create({ input: 'Again.' }),
    ],
    ['previous_response_not_found', 'response.completed'],
  ],
  [
    'a turn that fails, after which its response is forgotten',
    [
      () => create({ input: 'The word is ember.' }),
      continuing({ input: [RESULT] }),
      continuing({ input: 'Which word?' }),
    ],
    ['response.completed', null, 'previous_response_not_found'],
  ],
  [
    'calls of functions',
    [
      () =>
        create({
          input: 'The weather?',
          tools: [
            { type: 'function', name: 'weather', parameters: { type: 'object', properties: {} } },
          ],
        }),
    ],
    ['response.completed'],
  ],
]

const endOf = ({ type, error }: Message): unknown =>
  type === 'error' ? (error as { code: string | null }).code : type

describe('responses over WebSocket', () => {
  let sockets: Awaited<ReturnType<typeof startWebSocketUpstream>>
  let harness: Harness

  beforeAll(async () => {
    sockets = await startWebSocketUpstream(serveResponses(echo))
    harness = await startHarness({ upstreamBaseUrl: sockets.url })
  })
  afterAll(async () => {
    await harness.close()
    sockets.close()
  })

  it.each(CONVERSATIONS)('are the same through the proxy: %s', async (_, asks, ends) => {
    const direct = await converse(`${sockets.url}/v1`, asks)
    const proxied = await converse(harness.baseUrl, asks)
    expect(proxied).toEqual(direct)
    expect(proxied.filter(isLast).map(endOf)).toEqual(ends)
    for (const message of proxied.filter(({ type }) => type !== 'error'))
      expect(eventErrors(message)).toEqual([])
  })

  it('do not find on a new connection what another one kept', async () => {
    const first = await converse(harness.baseUrl, [() => create({ input: 'The word is copper.' })])
    const second = await converse(harness.baseUrl, [
      () => create({ previous_response_id: idIn(first), input: 'Which word?' }),
      () => create({ input: 'Start again.' }),
    ])
    expect(second.filter(isLast).map(endOf)).toEqual([
      'previous_response_not_found',
      'response.completed',
    ])
  })

  it('begin with a history that the API has compacted', async () => {
    const api = await startHarness()
    api.upstream.respond = createOpenAiUpstream()
    const input = [{ role: 'user', content: 'The word is slate.' }]
    const { text } = await api.send(JSON.stringify({ model, input }), {
      path: '/v1/responses/compact',
      headers: { authorization: `Bearer ${API_KEY}` },
    })
    await api.close()
    const { output } = JSON.parse(text) as { output: Message[] }
    const heard = await converse(harness.baseUrl, [
      () => create({ input: [...output, { role: 'user', content: 'Which word?' }] }),
    ])
    expect(JSON.stringify(heard.at(-1))).toContain('The word is slate.')
  })
})
