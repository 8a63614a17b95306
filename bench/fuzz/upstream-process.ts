/**
 * The upstream of the fuzzer as a process of its own, so that its work delays no request: it sorts orders as the prompt
 * says, and answers as a case tells it by a header. It sends its port.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { ANSWER_HEADER } from './cases.ts'
import { hostileAnswer } from './hostile-answers.ts'
import { answerTo, MODEL } from './orders.ts'

const USAGE = { prompt_tokens: 300, completion_tokens: 2, total_tokens: 302 }

const chat = (content: string) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: MODEL,
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
  usage: USAGE,
})

const response = (text: string) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  status: 'completed',
  model: MODEL,
  output: [
    {
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text, annotations: [] }],
    },
  ],
  usage: { input_tokens: 300, output_tokens: 2, total_tokens: 302 },
})

const serveOrder = (body: string, path: string, outgoing: ServerResponse): void => {
  const answer = answerTo(body)
  if (!path.includes('responses') && /"stream":\s*true/.test(body)) {
    outgoing.writeHead(200, { 'content-type': 'text/event-stream' })
    const choices = [
      { index: 0, delta: { role: 'assistant', content: answer }, finish_reason: 'stop' },
    ]
    const event = { ...chat(answer), object: 'chat.completion.chunk', choices }
    return void outgoing.end(`data: ${JSON.stringify(event)}\n\ndata: [DONE]\n\n`)
  }
  outgoing.writeHead(200, { 'content-type': 'application/json' })
  outgoing.end(JSON.stringify(path.includes('responses') ? response(answer) : chat(answer)))
}

const serveHostile = async (seed: number, body: string, outgoing: ServerResponse) => {
  const { status, headers, pieces, end, pauseMs } = hostileAnswer(
    seed,
    body.includes('"stream":true')
  )
  outgoing.writeHead(status, headers)
  const closed = new Promise((resolve) => outgoing.once('close', resolve))
  for (const piece of pieces) {
    if (outgoing.destroyed) return
    if (!outgoing.write(piece))
      await Promise.race([new Promise((resolve) => outgoing.once('drain', resolve)), closed])
    if (pauseMs > 0) await delay(pauseMs)
  }
  if (end === 'whole') outgoing.end()
  else outgoing.destroy()
}

const answer = async (incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> => {
  const body = (await buffer(incoming)).toString('latin1')
  const seed = incoming.headers[ANSWER_HEADER]
  if (seed !== undefined) await serveHostile(Number(seed), body, outgoing)
  else serveOrder(body, incoming.url ?? '', outgoing)
}

const server = createServer((incoming, outgoing) => {
  outgoing.on('error', () => {})
  // a client that has left
  answer(incoming, outgoing).catch(() => outgoing.destroy())
})
server.keepAliveTimeout = 600_000
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port))
