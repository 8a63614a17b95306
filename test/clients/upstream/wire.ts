/** What every part of the upstream's mock reads and answers with. Knows no endpoint. */
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { z } from 'zod'
import type { UpstreamRequest } from '../../proxy/harness.ts'

/** 2026-01-01, of everything that is ever made. */
export const CREATED = 1_767_225_600

export interface Answer {
  status?: number
  headers?: OutgoingHttpHeaders
  /** written one by one */
  pieces: (string | Buffer)[]
}

export interface Call {
  /** what the path's pattern left open, decoded */
  parts: string[]
  headers: IncomingHttpHeaders
  query: URLSearchParams
  request: UpstreamRequest
}

/** An answer that is no success, in the form that OpenAI documents. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string | null
  readonly param: string | null

  constructor(status: number, message: string, code: string | null, param: string | null = null) {
    super(message)
    this.status = status
    this.code = code
    this.param = param
  }
}

export const json = (value: unknown, status = 200): Answer => ({
  status,
  headers: { 'content-type': 'application/json' },
  pieces: [JSON.stringify(value)],
})

export const bytes = (type: string, pieces: Buffer[]): Answer => ({
  headers: { 'content-type': type },
  pieces,
})

/** @param events name and data of each; null for events without a name */
export const eventStream = (events: [string | null, unknown][]): Answer => ({
  headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' },
  pieces: events.map(([name, data]) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    return `${name === null ? '' : `event: ${name}\n`}data: ${text}\n\n`
  }),
})

export const refusalAnswer = ({ status, message, code, param }: Refusal): Answer => {
  const type = status === 429 ? 'requests' : status < 500 ? 'invalid_request_error' : 'server_error'
  return json({ error: { message, type, param, code } }, status)
}

/** The body as JSON of the right shape. @throws Refusal 400 that names the parameter at fault */
export const jsonBody = <Schema extends z.ZodType>(
  schema: Schema,
  { request }: Call
): z.infer<Schema> => {
  if (!request.headers['content-type']?.startsWith('application/json'))
    throw new Refusal(400, 'Unsupported content type', 'unsupported_content_type')
  const { success, data, error } = schema.safeParse(JSON.parse(request.body.toString()))
  if (success) return data
  const [issue] = error.issues
  const param = issue!.path.join('.') || null
  throw new Refusal(400, `${issue!.message} in ${param ?? 'the body'}`, 'invalid_value', param)
}

/** @throws Refusal 400 when the body is no form */
export const formBody = async ({ request }: Call): Promise<FormData> => {
  const { 'content-type': type = '' } = request.headers
  if (!type.startsWith('multipart/form-data'))
    throw new Refusal(400, 'Unsupported content type', 'unsupported_content_type')
  const body = new Uint8Array(request.body)
  return new Response(body, { headers: { 'content-type': type } }).formData()
}

/** A field of a form. @throws Refusal 400 when it is missing */
export const textField = (form: FormData, name: string): string => {
  const value = form.get(name)
  if (typeof value === 'string') return value
  throw new Refusal(
    400,
    `Missing required parameter: '${name}'`,
    'missing_required_parameter',
    name
  )
}

/** A file of a form, with its bytes. @throws Refusal 400 when it is missing */
export const fileField = async (
  form: FormData,
  name: string
): Promise<{ filename: string; content: Buffer }> => {
  const value = form.get(name)
  if (value !== null && typeof value !== 'string')
    return { filename: value.name, content: Buffer.from(await value.arrayBuffer()) }
  throw new Refusal(
    400,
    `Missing required parameter: '${name}'`,
    'missing_required_parameter',
    name
  )
}

export const send = (response: ServerResponse, { status = 200, headers, pieces }: Answer): void => {
  response.writeHead(status, headers)
  for (const piece of pieces) response.write(piece)
  response.end()
}
