/**
 * One HTTP call to an engine: timeouts, cancellation, and every failure as an AppError. Knows nothing
 * of the routes.
 */
import { AppError, type ErrorCode } from '../errors.ts'
import type { ErrorBody } from '../openai/error-body.ts'
import { parseJson } from '../openai/fields.ts'

export interface CallOptions {
  timeoutMs?: number
  signal?: AbortSignal
}

export interface CallRequest {
  method?: 'GET' | 'POST' | 'DELETE'
  /** an object is sent as JSON */
  body?: unknown
}

/** A response with its body unread. */
export interface OpenCall {
  response: Response
  timeoutMs: number
  /** whether the caller's signal or the timeout has ended the call */
  ended(): 'caller' | 'timeout' | null
  /** Restarts the timeout, after the engine has sent data. */
  alive(): void
  /** Ends the timeout and the request. */
  close(): void
}

export type Call = ReturnType<typeof createCall>

export interface CallDeps {
  name: string
  /** ends in `/v1` */
  baseUrl: string
  token: string | null
  fetch: typeof fetch
  /** of calls that do not run the model */
  timeoutMs: number
}

/** Statuses that concern the request. All others mean that the engine is unavailable. */
const CODE_BY_STATUS: Record<number, ErrorCode> = {
  400: 'invalid-request',
  404: 'not-found',
  409: 'conflict',
  413: 'body-too-large',
  422: 'invalid-request',
  499: 'client-closed',
  504: 'engine-timeout',
}

const errorOf = async (engine: string, response: Response): Promise<AppError> => {
  const text = await response.text()
  // another format is that of a proxy in between, or of another service
  const error =
    (parseJson(text) as Partial<ErrorBody> | null)?.error ?? ({} as Partial<ErrorBody['error']>)
  // when a machine is stopped, its provider's router answers 404 without the contract's format
  const isRouter = response.status === 404 && error.message === undefined
  const code = isRouter
    ? 'engine-unavailable'
    : (CODE_BY_STATUS[response.status] ?? 'engine-unavailable')
  const message = error.message ?? `status ${response.status}: ${text.slice(0, 200)}`
  return new AppError(
    error.code === 'context_length_exceeded' ? 'context-length-exceeded' : code,
    `engine ${engine}: ${message}`,
    { param: error.param ?? undefined }
  )
}

/** @returns the error for the caller, from an exception during a call */
export const failure = (
  engine: string,
  thrown: unknown,
  { ended, timeoutMs }: Pick<OpenCall, 'ended' | 'timeoutMs'>
): AppError => {
  if (ended() === 'caller')
    return new AppError('client-closed', `request to engine ${engine} was cancelled`, {
      cause: thrown,
    })
  if (ended() === 'timeout')
    return new AppError(
      'engine-timeout',
      `engine ${engine} did not answer within ${timeoutMs} ms`,
      {
        cause: thrown,
      }
    )
  if (thrown instanceof AppError) return thrown
  const reason = thrown instanceof Error ? (thrown.cause ?? thrown) : thrown
  return new AppError('engine-unavailable', `engine ${engine} failed: ${String(reason)}`, {
    cause: thrown,
  })
}

/** Joins a timeout and the caller's signal to one signal. */
const createLifetime = (timeoutMs: number, signal?: AbortSignal) => {
  const controller = new AbortController()
  let ended: 'caller' | 'timeout' | null = null
  const end = (by: 'caller' | 'timeout') => {
    ended ??= by
    controller.abort()
  }
  const onAbort = () => end('caller')
  if (signal?.aborted) onAbort()
  signal?.addEventListener('abort', onAbort)
  const timer = setTimeout(() => end('timeout'), timeoutMs)
  return {
    signal: controller.signal,
    timeoutMs,
    ended: () => ended,
    alive: () => void timer.refresh(),
    close: () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      controller.abort()
    },
  }
}

const encode = (body: unknown): { body?: string | FormData; headers: Record<string, string> } => {
  if (body === undefined) return { headers: {} }
  if (body instanceof FormData) return { body, headers: {} }
  return { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
}

export const createCall = (deps: CallDeps) => {
  const { name, baseUrl, token } = deps

  const open = async (
    path: string,
    { method = 'GET', body }: CallRequest = {},
    options: CallOptions = {}
  ): Promise<OpenCall> => {
    const lifetime = createLifetime(options.timeoutMs ?? deps.timeoutMs, options.signal)
    const encoded = encode(body)
    if (token !== null) encoded.headers['authorization'] = `Bearer ${token}`
    try {
      const response = await deps.fetch(`${baseUrl}${path}`, {
        method,
        ...encoded,
        signal: lifetime.signal,
      })
      if (!response.ok) throw await errorOf(name, response)
      return { ...lifetime, response }
    } catch (error) {
      lifetime.close()
      throw failure(name, error, lifetime)
    }
  }

  return {
    /** name of the engine, for messages */
    engine: name,
    /** Resolves with a 2xx response, its body unread; rejects for any other status. */
    open,
    /** The response's JSON. */
    async json<Result>(
      path: string,
      request?: CallRequest,
      options?: CallOptions
    ): Promise<Result> {
      const opened = await open(path, request, options)
      try {
        return (await opened.response.json()) as Result
      } catch (error) {
        throw failure(name, error, opened)
      } finally {
        opened.close()
      }
    },
  }
}
