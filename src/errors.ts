/**
 * The one error class of the project and the table from its codes to HTTP status codes. It does not
 * depend on an HTTP framework; `openai/error-body.ts` renders it for clients.
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
  'store-unavailable': 503,
  'engine-unavailable': 503,
  'worker-unavailable': 503,
  overloaded: 503,
  'upstream-unavailable': 502,
  'webhook-unavailable': 502,
  'checksum-mismatch': 502,
  'hub-unavailable': 503,
  'disk-full': 507,
  'engine-timeout': 504,
} as const

export type ErrorCode = keyof typeof HTTP_STATUS

/** An expected failure: its code is for programs, its message tells a person what to do. */
export class AppError extends Error {
  /** the invalid parameter of the request, as in OpenAI's `error.param` */
  readonly param: string | null
  /** when a retry may succeed, if that is known; sent as `retry-after` */
  readonly retryAfterSeconds: number | null

  constructor(
    readonly code: ErrorCode,
    message: string,
    options: { cause?: unknown; param?: string; retryAfterSeconds?: number } = {}
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'AppError'
    this.param = options.param ?? null
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
  }

  get status(): number {
    return HTTP_STATUS[this.code]
  }
}

/** Whether an error goes to the operator's log in addition to the client. An overload is a refusal: nothing is broken. */
export const isFault = ({ code, status }: AppError): boolean =>
  status >= 500 && code !== 'overloaded'

/** Converts any thrown value to an AppError; other errors become `internal` and keep their cause. */
export const toAppError = (error: unknown): AppError =>
  error instanceof AppError
    ? error
    : new AppError('internal', error instanceof Error ? error.message : String(error), {
        cause: error,
      })

/**
 * As `toAppError`, for an error while a request was read. Where its body ends early, the client has left.
 * @param incoming Node's request; undefined where there is none
 */
export const requestError = (
  error: unknown,
  incoming: { complete: boolean; destroyed: boolean } | undefined
): AppError =>
  incoming?.destroyed === true && !incoming.complete && !(error instanceof AppError)
    ? new AppError('client-closed', 'the client left before its request had arrived', {
        cause: error,
      })
    : toAppError(error)
