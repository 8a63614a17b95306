/**
 * The one error class of the project and the table from its codes to HTTP.
 * Knows nothing of HTTP frameworks; `openai/error-body.ts` renders it for clients.
 */

const HTTP_STATUS = {
  'invalid-request': 400,
  'context-length-exceeded': 400,
  unauthorized: 401,
  'invalid-api-key': 401,
  forbidden: 403,
  'not-found': 404,
  'request-timeout': 408,
  conflict: 409,
  'body-too-large': 413,
  'rate-limited': 429,
  'budget-exceeded': 429,
  'headers-too-large': 431,
  'client-closed': 499,
  'invalid-config': 500,
  'invalid-model': 500,
  'invalid-state': 409,
  internal: 500,
  'not-implemented': 501,
  'store-unavailable': 503,
  'engine-unavailable': 503,
  overloaded: 503,
  'upstream-unavailable': 502,
  'checksum-mismatch': 502,
  'hub-unavailable': 503,
  'disk-full': 507,
  'engine-timeout': 504,
} as const

export type ErrorCode = keyof typeof HTTP_STATUS

/** An expected failure with a code a program can act on and a message a person can act on. */
export class AppError extends Error {
  readonly code: ErrorCode
  /** The request parameter at fault, in OpenAI's `error.param` sense. */
  readonly param: string | null
  /** when it is worth asking again, where that is known; sent as `retry-after` */
  readonly retryAfterSeconds: number | null

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; param?: string; retryAfterSeconds?: number } = {}
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.code = code
    this.param = options.param ?? null
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
  }

  get status(): number {
    return HTTP_STATUS[this.code]
  }
}

/** Refusals by decision: the status is a server's, and nothing is wrong. */
const DECISIONS = new Set<ErrorCode>(['overloaded', 'not-implemented'])

/** Whether an operator should know, beside the client who is told. */
export const isFault = ({ code, status }: AppError): boolean =>
  status >= 500 && !DECISIONS.has(code)

/** Anything thrown, as an AppError: unknown errors become `internal` with the cause kept. */
export const toAppError = (error: unknown): AppError =>
  error instanceof AppError
    ? error
    : new AppError('internal', error instanceof Error ? error.message : String(error), {
        cause: error,
      })
