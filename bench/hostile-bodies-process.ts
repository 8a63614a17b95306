/**
 * A process of the hostile-bodies benchmark, so that its work delays no poll: an upstream that takes
 * bodies unread, or a client that sends one when it is told to.
 */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SHAPES } from './hostile-bodies/shapes.ts'

export interface Order {
  url: string
  headers: Record<string, string>
  shape: string
  bytes: number
}

const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'routed',
  choices: [],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})

const serve = (): void => {
  const server = createServer((incoming, response) => {
    incoming.resume()
    incoming.on('end', () => {
      response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
}

/** One body at a time is kept: building them takes longer than sending them. */
const bodyOf = (() => {
  let known = ''
  let body: Buffer = Buffer.alloc(0)
  return ({ shape, bytes }: Order): Buffer => {
    const name = `${shape} ${bytes}`
    if (name !== known) body = SHAPES[shape]!(bytes)
    known = name
    return body
  }
})()

const send = (order: Order): void => {
  const body = bodyOf(order)
  process.send!('begins')
  const sent = request(order.url, {
    method: 'POST',
    agent: false,
    headers: {
      'content-type': 'application/json',
      'content-length': body.length,
      ...order.headers,
    },
  })
  sent.on('response', (response) => {
    response.resume().on('end', () => process.send!(response.statusCode))
  })
  sent.on('error', (error) => process.send!(String(error)))
  sent.end(body)
}

if (process.argv[2] === 'upstream') serve()
else process.on('message', send)
