/**
 * An upstream that answers each rendered request of a task with its gold answer: what a perfect and
 * deterministic provider would do. Knows only the requests that it was given.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChatMessage, ChatRequest } from '../../src/openai/chat.ts'

export interface ReplayUpstream {
  baseUrl: string
  /** requests answered, and requests it did not know */
  counts: { answered: number; unknown: number }
  add(messages: ChatMessage[], answer: string, promptTokens: number): void
  /** Replaces each known answer from then on. */
  change(answerFor: (known: string) => string): void
  close(): Promise<void>
}

const keyOf = (messages: ChatMessage[]): string =>
  createHash('sha256').update(JSON.stringify(messages)).digest('base64')

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

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
    completion_tokens: Math.max(1, Math.ceil(answer.length / 4)),
    total_tokens: promptTokens + Math.max(1, Math.ceil(answer.length / 4)),
    prompt_tokens_details: { cached_tokens: 0 },
  },
})

const sendStream = (response: ServerResponse, body: ReturnType<typeof completion>): void => {
  const chunk = (delta: object, finish: string | null) =>
    `data: ${JSON.stringify({
      id: body.id,
      object: 'chat.completion.chunk',
      created: body.created,
      model: body.model,
      choices: [{ index: 0, delta, finish_reason: finish }],
    })}\n\n`
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(chunk({ role: 'assistant', content: '' }, null))
  response.write(chunk({ content: body.choices[0]!.message.content }, null))
  response.end(`${chunk({}, 'stop')}data: [DONE]\n\n`)
}

const asKnown = (known: string): string => known

export const startReplayUpstream = async (): Promise<ReplayUpstream> => {
  const answers = new Map<string, { answer: string; promptTokens: number }>()
  const counts = { answered: 0, unknown: 0 }
  let answerFor = asKnown
  const server: Server = createServer(async (request, response) => {
    const body = JSON.parse(await readBody(request)) as ChatRequest
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
    const result = completion(body.model, answerFor(known.answer), known.promptTokens)
    if (body.stream === true) return sendStream(response, result)
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(result))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    counts,
    add: (messages, answer, promptTokens) => {
      answers.set(keyOf(messages), { answer, promptTokens })
    },
    change: (changed) => {
      answerFor = changed
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
