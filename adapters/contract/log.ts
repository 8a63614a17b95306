/** Logging as engines need it: a function handed in, and the one that processes use. */

export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>
) => void

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent']

/**
 * JSON lines on stderr; stdout stays free.
 * @param least LOG_LEVEL: lower levels are not written; info when it is none of them
 */
export const stderrLog = (engine: string, now: () => number, least = 'info'): Log => {
  const lowest = LEVELS.indexOf(LEVELS.includes(least) ? least : 'info')
  return (level, message, fields = {}) => {
    if (LEVELS.indexOf(level) < lowest) return
    process.stderr.write(`${JSON.stringify({ level, at: now(), engine, message, ...fields })}\n`)
  }
}
