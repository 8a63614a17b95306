/** Structured logs on stderr, so that stdout stays the result. Bodies and keys are never passed in. */
import { pino, destination, type Logger } from 'pino'
import type { Config } from './config.ts'

export type { Logger }

export const createLogger = (level: Config['logLevel']): Logger => {
  const stderr = destination({ fd: 2, sync: false })
  // a log that cannot be written, as on a full disk, ends nothing
  stderr.on('error', () => {})
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stderr)
}
