/** Logging as engines need it: a function handed in, and the one that processes use. */

export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>
) => void

/** JSON lines on stderr; stdout stays free. */
export const stderrLog =
  (engine: string, now: () => number): Log =>
  (level, message, fields = {}) => {
    process.stderr.write(`${JSON.stringify({ level, at: now(), engine, message, ...fields })}\n`)
  }
