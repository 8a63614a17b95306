/** Structured logs on stderr, so that stdout stays the result. Bodies and keys are never passed in. */
import { pino, destination, type DestinationStream, type Logger } from 'pino'
import type { Config } from '../config/config.ts'

export type { Logger }

/** Of what waits to be written; a reader that is stuck costs lines, not memory. */
const MAX_WAITING_BYTES = 2 ** 20

type Destination = ReturnType<typeof destination>

/**
 * A line that cannot be written, as on a full disk, is lost, and the next one is tried anew: pino's own
 * destination keeps it and would wait for it at the process's end, for ever.
 */
const stderr = (): DestinationStream => {
  let current: Destination | null = null
  const open = (): Destination => {
    const opened = destination({ fd: 2, sync: false, maxLength: MAX_WAITING_BYTES })
    opened.on('error', () => {
      opened.destroy()
      if (current === opened) current = null
    })
    return opened
  }
  return {
    write: (line) => {
      current ??= open()
      current.write(line)
    },
  }
}

export const createLogger = (level: Config['logLevel']): Logger =>
  pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, stderr())
