/** OpenAI's error body, from an AppError. */
import type { AppError, ErrorCode } from '../errors.ts'
import { parseJson } from './fields.ts'

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string }
}

const TYPE_BY_STATUS: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
}

/** OpenAI's codes where they differ: clients decide by them whether to retry. */
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
 * The body for a client: code, message and parameter, never the cause. The message of an unexpected
 * error may contain secrets, so it is replaced.
 */
export const errorBody = (error: AppError): ErrorBody =>
  bodyOf(error, error.code === 'internal' ? 'internal error' : error.message)

/** The body of an engine, with every message: its clients are the operator's proxy and worker. */
export const engineErrorBody = (error: AppError): ErrorBody => bodyOf(error, error.message)

/** Of an error's body. @returns null for any other text */
export const errorMessageIn = (body: string): string | null => {
  const { error } = (parseJson(body) ?? {}) as { error?: { message?: unknown } }
  return typeof error?.message === 'string' ? error.message : null
}
