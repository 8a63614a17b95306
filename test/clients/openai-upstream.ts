/**
 * An upstream that behaves as OpenAI's API reference says, for the tests with the official clients:
 * it refuses requests of a wrong shape and answers by what was asked, always the same. Knows nothing
 * of the proxy.
 */
import type { Responder, UpstreamRequest } from '../proxy/harness.ts'
import { createChatCompletion } from './upstream/chat.ts'
import { createAccount } from './upstream/files.ts'
import { editImage, embed, generateImages, moderate, speak, transcribe } from './upstream/media.ts'
import { getModel, listModels } from './upstream/models.ts'
import { createResponse } from './upstream/responses.ts'
import { Refusal, refusalAnswer, send, type Answer, type Call } from './upstream/wire.ts'

export const API_KEY = 'sk-test-0123456789abcdef'

type Endpoint = (call: Call) => Answer | Promise<Answer>

/** Method and path → endpoint; `*` in a path is one part of it. */
const endpointsOf = (account: ReturnType<typeof createAccount>): [string, Endpoint][] => [
  ['POST /v1/chat/completions', createChatCompletion],
  ['POST /v1/responses', createResponse],
  ['POST /v1/embeddings', embed],
  ['POST /v1/moderations', moderate],
  ['POST /v1/images/generations', generateImages],
  ['POST /v1/images/edits', editImage],
  ['POST /v1/audio/transcriptions', transcribe],
  ['POST /v1/audio/speech', speak],
  ['GET /v1/models', listModels],
  ['GET /v1/models/*', getModel],
  ['POST /v1/files', account.uploadFile],
  ['GET /v1/files', account.listFiles],
  ['GET /v1/files/*', account.getFile],
  ['GET /v1/files/*/content', account.getContent],
  ['DELETE /v1/files/*', account.deleteFile],
  ['POST /v1/batches', account.createBatch],
  ['GET /v1/batches/*', account.getBatch],
  ['POST /v1/fine_tuning/jobs', account.createJob],
  ['GET /v1/fine_tuning/jobs/*', account.getJob],
]

const patternOf = (line: string): RegExp => new RegExp(`^${line.replaceAll('*', '([^/]+)')}$`)

const checkCredential = (authorization: string | undefined): void => {
  if (authorization === `Bearer ${API_KEY}`) return
  throw new Refusal(401, 'Incorrect API key provided.', 'invalid_api_key')
}

export const createOpenAiUpstream = (): Responder => {
  const endpoints = endpointsOf(createAccount()).map(
    ([line, endpoint]) => [patternOf(line), endpoint] as const
  )
  const answer = async (request: UpstreamRequest): Promise<Answer> => {
    checkCredential(request.headers.authorization)
    const { pathname, searchParams: query } = new URL(request.url, 'http://upstream')
    for (const [pattern, endpoint] of endpoints) {
      const match = pattern.exec(`${request.method} ${pathname}`)
      if (match === null) continue
      const parts = match.slice(1).map(decodeURIComponent)
      return endpoint({ parts, query, headers: request.headers, request })
    }
    throw new Refusal(404, `Invalid URL (${request.method} ${pathname})`, null)
  }
  return (request, response) => {
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
