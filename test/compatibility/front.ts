/**
 * Stands between a client and what it talks to. It passes bytes on as they are, sees which turns a lora answered, and
 * can keep every second turn from the loras.
 */
import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** Which turns of a conversation may be answered by a lora; turns count from 1. */
export type Turns = 'all' | 'odd' | 'even'

/** No proof knows a request with this header, so the upstream answers it. */
const UPSTREAM_HEADER = 'x-compatibility-turn'

const KEEP_ALIVE_MS = 120_000

export interface Passed {
  /** of the order; null where the request names none */
  number: number | null
  turn: number
  status: number
  /** `x-promptintern-route`; null without a live template */
  route: string | null
  reason: string | null
}

export interface Front {
  baseUrl: string
  /** what has passed so far */
  passed: Passed[]
  close(): Promise<void>
}

/** No word boundary is required: in JSON the `n` of an escaped line end stands before the word. */
const numberIn = (body: string): number | null => {
  const found = /order\W{1,8}(\d+)/iu.exec(body)?.[1]
  return found === undefined ? null : Number(found)
}

const header = (answer: IncomingMessage, name: string): string | null =>
  (answer.headers[name] as string | undefined) ?? null

/** @param target where everything goes, without a path */
export const openFront = async (target: string, turns: Turns): Promise<Front> => {
  const passed: Passed[] = []
  const counts = new Map<number, number>()

  const pass = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(incoming)
    const number = incoming.method === 'POST' ? numberIn(body.toString()) : null
    const turn = number === null ? 1 : (counts.get(number) ?? 0) + 1
    if (number !== null) counts.set(number, turn)
    const isForLora = turns === 'all' || (turn % 2 === 1) === (turns === 'odd')
    const forwarded = httpRequest(new URL(incoming.url ?? '/', target), {
      method: incoming.method,
      headers: { ...incoming.headers, ...(isForLora ? {} : { [UPSTREAM_HEADER]: 'upstream' }) },
    })
    forwarded.on('error', () => response.destroy())
    forwarded.on('response', (answer) => {
      const status = answer.statusCode ?? 0
      const route = header(answer, 'x-promptintern-route')
      passed.push({ number, turn, status, route, reason: header(answer, 'x-promptintern-reason') })
      response.writeHead(status, answer.rawHeaders)
      answer.pipe(response)
    })
    forwarded.end(body)
  }

  const server = createServer((incoming, response) => {
    pass(incoming, response).catch(() => response.destroy())
  })
  // Node closes idle connections after 5 s, as httpx does: on a busy machine a request meets the end
  server.keepAliveTimeout = KEEP_ALIVE_MS
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    baseUrl: `http://127.0.0.1:${port}/v1`,
    passed,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
