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

/**
 * The cause stays with the operator: only code, message and parameter reach the client. What no one
 * expected has a message that may say anything, and it stays with the operator, too.
 */
export const errorBody = (error: AppError): ErrorBody => ({
  error: {
    message: error.code === 'internal' ? 'internal error' : error.message,
    type: errorType(error.status),
    param: error.param,
    code: WIRE_CODES[error.code] ?? error.code.replaceAll('-', '_'),
  },
})
