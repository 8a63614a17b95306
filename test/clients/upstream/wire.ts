/** How the mock upstream reads requests and writes answers; shared by its endpoints. */
import { createHash } from 'node:crypto'
import type { OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { ApiRefusal } from '../../kit/upstream/api-limits.ts'
import type { UpstreamRequest } from '../../kit/proxy/harness.ts'

/** 2026-01-01: the creation time of every object. */
export const CREATED = 1_767_225_600

export interface Answer {
  status?: number
  headers: OutgoingHttpHeaders
  /** written one by one */
  pieces: (string | Buffer)[]
}

/** @param id the variable part of the path, decoded */
export type Endpoint = (request: UpstreamRequest, id: string) => Answer | Promise<Answer>

/** An error in the format that OpenAI documents. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly code: string | null,
    readonly param: string | null = null
  ) {
    super(message)
  }
}

/** 64 hexadecimal digits, the same for the same value: for ids. */
export const digestOf = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** As the API says it. @param refused null where it answers */
export const requireAnswered = (refused: ApiRefusal | null): void => {
  if (refused === null) return
  const { status, error } = refused
  throw new Refusal(status, error.message, error.code, error.param)
}

const MODELS = new Set(['gpt-4o-mini', 'gpt-4o'])

/** @throws Refusal 404 */
export const requireModel = (id: string): void => {
  if (!MODELS.has(id)) throw new Refusal(404, `The model '${id}' does not exist`, 'model_not_found')
}

export const json = (value: unknown, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  pieces: [JSON.stringify(value)],
})

/** @param events name and data of each; null for events without a name */
export const eventStream = (events: [string | null, unknown][]): Answer => ({
  headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
  pieces: events.map(([name, data]) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    return `${name === null ? '' : `event: ${name}\n`}data: ${text}\n\n`
  }),
})

export const refusalAnswer = ({ status, message, code, param }: Refusal): Answer =>
  json({ error: { message, type: 'invalid_request_error', param, code } }, status)

export const bodyOf = <Body>({ body }: UpstreamRequest): Body => JSON.parse(String(body)) as Body

export const send = (response: ServerResponse, { status = 200, headers, pieces }: Answer): void => {
  response.writeHead(status, headers)
  for (const piece of pieces) response.write(piece)
  response.end()
}
