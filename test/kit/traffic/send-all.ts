/** Sends a task's rows through the proxy with the official client and notes what came back. */
import OpenAI from 'openai'
import type { ChatRequest } from '../../../src/openai/chat.ts'
import { inLanes } from './lanes.ts'

export interface Outcome {
  answer: string
  /** x-promptintern-route; `unmatched` without one */
  route: string
  reason: string | null
  promptTokens: number
  answerTokens: number
  firstTokenMs: number
  lastTokenMs: number
}

type Body = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming

const ask = async (client: OpenAI, request: ChatRequest): Promise<Outcome> => {
  const start = performance.now()
  const { data: stream, response } = await client.chat.completions
    .create({
      ...(request as unknown as Body),
      stream: true,
      stream_options: { include_usage: true },
    })
    .withResponse()
  let answer = ''
  let firstTokenMs = 0
  let promptTokens = 0
  let answerTokens = 0
  for await (const chunk of stream) {
    const text = chunk.choices[0]?.delta.content ?? ''
    if (text !== '' && firstTokenMs === 0) firstTokenMs = performance.now() - start
    answer += text
    promptTokens = chunk.usage?.prompt_tokens ?? promptTokens
    answerTokens = chunk.usage?.completion_tokens ?? answerTokens
  }
  return {
    answer,
    route: response.headers.get('x-promptintern-route') ?? 'unmatched',
    reason: response.headers.get('x-promptintern-reason'),
    promptTokens,
    answerTokens,
    firstTokenMs,
    lastTokenMs: performance.now() - start,
  }
}

/** In order of the requests, `concurrency` at a time. */
export const sendAll = async (
  baseUrl: string,
  requests: ChatRequest[],
  options: { concurrency: number; apiKey?: string; onDone?: (done: number) => void }
): Promise<Outcome[]> => {
  const { apiKey = 'bench-client-key' } = options
  const client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey, maxRetries: 0 })
  const outcomes: Outcome[] = []
  let done = 0
  await inLanes(options.concurrency, requests, async (request, index) => {
    outcomes[index] = await ask(client, request)
    done += 1
    options.onDone?.(done)
  })
  return outcomes
}
