/** An upstream that answers chat completions by a function, for the real server. It enforces the API's limits. */
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChatMessage, ChatRequest } from '../../../src/openai/chat.ts'
import { chatRefusal } from './api-limits.ts'

/** The message and the reason of the one choice. */
export type AnswerTo = (messages: ChatMessage[], request: ChatRequest) => object

export interface ChatUpstream {
  /** with the API's version */
  baseUrl: string
  close(): void
}

/** @param answer the message and the reason of the one choice */
export const chatBody = (answer: object): string =>
  JSON.stringify({
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 1,
    model: 'gpt-4o-mini',
    choices: [{ index: 0, logprobs: null, ...answer }],
    usage: { prompt_tokens: 90, completion_tokens: 2, total_tokens: 92 },
  })

export const startChatUpstream = async (answerTo: AnswerTo): Promise<ChatUpstream> => {
  const server: Server = createServer((incoming, response) => {
    let body = ''
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()))
    incoming.on('end', () => {
      response.setHeader('content-type', 'application/json')
      // the server asks for the list of models by itself
      if (incoming.method === 'GET') return void response.end('{"object":"list","data":[]}')
      const request = JSON.parse(body) as ChatRequest
      const refused = chatRefusal(request)
      response.statusCode = refused?.status ?? 200
      response.end(
        refused === null
          ? chatBody(answerTo(request.messages, request))
          : JSON.stringify({ error: refused.error })
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { baseUrl: `http://127.0.0.1:${port}/v1`, close: () => server.close() }
}
