/** Structured logs on stderr; stdout is for results. Callers never pass bodies or keys. */
import { pino, destination, type DestinationStream, type Logger } from 'pino'
import type { Config } from '../config/config.ts'
import { formed, formFor, type LogForm } from './log-line.ts'

export type { Logger }

/** Limit of the buffer: if the reader of stderr stalls, lines are lost and memory stays bounded. */
const MAX_BUFFER_BYTES = 2 ** 20

type Destination = ReturnType<typeof destination>

/**
 * A line that cannot be written, as on a full disk, is dropped, and the next line opens a new destination.
 * pino's own destination would keep the line and never let the process exit.
 */
const stderr = (): DestinationStream => {
  let current: Destination | null = null
  const open = (): Destination => {
    const opened = destination({ fd: 2, sync: false, maxLength: MAX_BUFFER_BYTES })
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

export interface LoggerOptions {
  /** stderr by default */
  stream?: DestinationStream
  /** by default that of stderr: JSON unless it is a terminal */
  form?: LogForm
}

export const createLogger = (
  level: Config['logLevel'],
  { stream = stderr(), form = formFor(process.stderr) }: LoggerOptions = {}
): Logger =>
  pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: (line) => stream.write(formed(line, form)) }
  )
