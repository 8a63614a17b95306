/**
 * A mock of OpenAI's API for the tests with the official clients. The same calls always get the same
 * answers. It enforces the API's limits of histories; the tests compare each request with the one that the client
 * sends without the proxy.
 */
import type { Responder, UpstreamRequest } from '../kit/proxy/harness.ts'
import { createChatCompletion } from './upstream/chat.ts'
import { echo, type Speaker } from './upstream/asked.ts'
import { createResponses } from './upstream/responses.ts'
import { Refusal, refusalAnswer, send, type Answer, type Endpoint } from './upstream/wire.ts'

export const API_KEY = 'sk-test-0123456789abcdef'

const patternOf = (line: string): RegExp => new RegExp(`^${line.replaceAll('*', '([^/]+)')}$`)

/** A page of any site may ask and read. A browser asks first whether it may, without the key. */
const corsOf = ({ method, headers }: UpstreamRequest): [string, string][] => {
  if (headers.origin === undefined) return []
  const anyone: [string, string] = ['access-control-allow-origin', '*']
  if (method !== 'OPTIONS') return [anyone, ['access-control-expose-headers', 'X-Request-ID']]
  return [
    anyone,
    ['access-control-allow-headers', headers['access-control-request-headers'] ?? ''],
    ['access-control-allow-methods', headers['access-control-request-method'] ?? ''],
  ]
}

/** @param speak what the model says; by default it repeats the request */
export const createOpenAiUpstream = (speak: Speaker = echo): Responder => {
  const responses = createResponses(speak)
  /** method and path → endpoint; `*` stands for one part of the path */
  const endpoints: [string, Endpoint][] = [
    ['POST /v1/chat/completions', createChatCompletion(speak)],
    ['POST /v1/responses', responses.create],
    ['POST /v1/responses/compact', responses.compact],
  ]
  const patterns = endpoints.map(([line, endpoint]) => [patternOf(line), endpoint] as const)
  const answer = async (request: UpstreamRequest): Promise<Answer> => {
    if (request.headers.authorization !== `Bearer ${API_KEY}`)
      throw new Refusal(401, 'Incorrect API key provided.', 'invalid_api_key')
    const line = `${request.method} ${new URL(request.url, 'http://upstream').pathname}`
    for (const [pattern, endpoint] of patterns) {
      const match = pattern.exec(line)
      if (match !== null) return endpoint(request, decodeURIComponent(match[1] ?? ''))
    }
    throw new Refusal(404, `Invalid URL (${line})`, null)
  }
  return (request, response) => {
    for (const [name, value] of corsOf(request)) response.setHeader(name, value)
    if (request.method === 'OPTIONS') return void response.writeHead(200).end()
    response.setHeader('x-request-id', 'req_mock')
    response.setHeader('x-ratelimit-remaining-requests', '9999')
    answer(request)
      .catch((error: unknown) => {
        if (error instanceof Refusal) return refusalAnswer(error)
        throw error
      })
      .then((found) => send(response, found))
      .catch((error: unknown) => response.destroy(error as Error))
  }
}
