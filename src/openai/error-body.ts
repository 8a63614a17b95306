/** OpenAI's error body, from an AppError. */
import type { AppError } from '../errors.ts'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string }
}

const TYPE_BY_STATUS: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
}

const errorType = (status: number): string =>
  TYPE_BY_STATUS[status] ?? (status < 500 ? 'invalid_request_error' : 'server_error')

/** The cause stays with the operator: only code, message and parameter reach the client. */
export const errorBody = (error: AppError): ErrorBody => ({
  error: {
    message: error.message,
    type: errorType(error.status),
    param: error.param,
    code: error.code.replaceAll('-', '_'),
  },
})
