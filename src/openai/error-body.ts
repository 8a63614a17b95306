/** OpenAI's error body, from an AppError. */
import type { AppError, ErrorCode } from '../errors.ts'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string }
}

const TYPE_BY_STATUS: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
}

/** OpenAI's own names, by which clients decide whether to ask again. */
const WIRE_CODES: Partial<Record<ErrorCode, string>> = {
  'rate-limited': 'rate_limit_exceeded',
  'budget-exceeded': 'insufficient_quota',
}

const errorType = (status: number): string =>
  TYPE_BY_STATUS[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error')

const bodyOf = (error: AppError, message: string): ErrorBody => ({
  error: {
    message,
    type: errorType(error.status),
    param: error.param,
    code: WIRE_CODES[error.code] ?? error.code.replaceAll('-', '_'),
  },
})

/**
 * The cause stays with the operator: only code, message and parameter reach the client. The message of
 * an error that no one expected may say anything, so it stays with the operator, too.
 */
export const errorBody = (error: AppError): ErrorBody =>
  bodyOf(error, error.code === 'internal' ? 'internal error' : error.message)

/** For an engine, whose clients are the operator's own proxy and worker: with every message. */
export const engineErrorBody = (error: AppError): ErrorBody => bodyOf(error, error.message)
