/**
 * An upstream that answers each rendered request of a task with its gold answer: what a perfect and
 * deterministic provider would do. Knows only the requests that it was given.
 */
import { createHash } from 'node:crypto'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'

export interface ReplayUpstream {
  baseUrl: string
  /** requests answered, and requests it did not know */
  counts: { answered: number; unknown: number }
  add(messages: ChatMessage[], answer: string, promptTokens: number): void
  /** how many requests with these messages it received */
  timesAsked(messages: ChatMessage[]): number
  close(): Promise<void>
}

const keyOf = (messages: ChatMessage[]): string =>
  createHash('sha256').update(JSON.stringify(messages)).digest('base64')

const tokensOf = (answer: string): number => Math.max(1, Math.ceil(answer.length / 4))

const completion = (model: string, answer: string, promptTokens: number) => ({
  id: 'chatcmpl-replay',
  object: 'chat.completion',
  created: Math.floor(Date.now() / 1000),
  model,
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: answer },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: promptTokens,
    completion_tokens: tokensOf(answer),
    total_tokens: promptTokens + tokensOf(answer),
    prompt_tokens_details: { cached_tokens: 0 },
  },
})

const sendStream = (response: ServerResponse, body: ReturnType<typeof completion>): void => {
  const { message, finish_reason: finish } = body.choices[0]!
  const chunk = (delta: object, finishReason: string | null) =>
    `data: ${JSON.stringify({
      id: body.id,
      object: 'chat.completion.chunk',
      created: body.created,
      model: body.model,
      choices: [{ index: 0, delta, finish_reason: finishReason }],
    })}\n\n`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(chunk({ role: 'assistant', content: '' }, null))
  response.write(chunk({ content: message.content }, null))
  response.end(`${chunk({}, finish)}data: [DONE]\n\n`)
}

export const startReplayUpstream = async (): Promise<ReplayUpstream> => {
  const answers = new Map<string, { answer: string; promptTokens: number; asked: number }>()
  const counts = { answered: 0, unknown: 0 }
  const server: Server = createServer(async (request, response) => {
    if (request.method === 'GET') {
      response.setHeader('content-type', 'application/json')
      response.end('{"object":"list","data":[]}')
      return
    }
    const body = JSON.parse(await text(request)) as ChatRequest
    const known = answers.get(keyOf(body.messages))
    if (known === undefined) {
      counts.unknown += 1
      response.writeHead(400, { 'content-type': 'application/json' })
      response.end(
        JSON.stringify({
          error: {
            message: 'the replay upstream does not know this request',
            type: 'invalid_request_error',
            param: null,
            code: 'unknown_request',
          },
        })
      )
      return
    }
    counts.answered += 1
    known.asked += 1
    const { answer, promptTokens } = known
    const result = completion(body.model, answer, promptTokens)
    if (body.stream === true) return sendStream(response, result)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(result))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    counts,
    add: (messages, answer, promptTokens) => {
      answers.set(keyOf(messages), { answer, promptTokens, asked: 0 })
    },
    timesAsked: (messages) => answers.get(keyOf(messages))?.asked ?? 0,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
