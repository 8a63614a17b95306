/** Exit codes of the command line; docs/reasons.md explains them to users. */
import { CommanderError } from 'commander'
import { toAppError, type ErrorCode } from '../errors.ts'
import { EXIT } from '../process/exit.ts'

const OF_ERROR: Record<ErrorCode, number> = {
  'invalid-request': EXIT.usage,
  'invalid-config': EXIT.usage,
  'invalid-model': EXIT.usage,
  'context-length-exceeded': EXIT.usage,
  'body-too-large': EXIT.usage,
  'headers-too-large': EXIT.usage,
  'not-found': EXIT.notFound,
  conflict: EXIT.refused,
  'invalid-state': EXIT.refused,
  unauthorized: EXIT.refused,
  'invalid-api-key': EXIT.refused,
  forbidden: EXIT.refused,
  'budget-exceeded': EXIT.refused,
  'rate-limited': EXIT.unavailable,
  'request-timeout': EXIT.unavailable,
  'client-closed': EXIT.unavailable,
  'store-unavailable': EXIT.unavailable,
  'engine-unavailable': EXIT.unavailable,
  'engine-timeout': EXIT.unavailable,
  'worker-unavailable': EXIT.unavailable,
  overloaded: EXIT.unavailable,
  'upstream-unavailable': EXIT.unavailable,
  'webhook-unavailable': EXIT.unavailable,
  'hub-unavailable': EXIT.unavailable,
  'checksum-mismatch': EXIT.unavailable,
  'disk-full': EXIT.unavailable,
  internal: EXIT.unexpected,
}

/** Ends a command whose result is printed, with another code than 0. */
export class PrintedResult extends Error {
  constructor(readonly exitCode: number) {
    super('the result is printed')
  }
}

/** A wrong usage, help and the version are reported by `commander`, which throws afterwards. */
export const exitCodeOf = (thrown: unknown): number => {
  if (thrown instanceof PrintedResult) return thrown.exitCode
  if (!(thrown instanceof CommanderError)) return OF_ERROR[toAppError(thrown).code]
  return thrown.exitCode === 0 ? EXIT.success : EXIT.usage
}

/** The error as `--json` prints it. */
export const errorJson = (thrown: unknown): { error: { code: string; message: string } } => {
  if (thrown instanceof CommanderError)
    return { error: { code: 'invalid-usage', message: thrown.message } }
  const { code, message } = toAppError(thrown)
  return { error: { code, message } }
}
