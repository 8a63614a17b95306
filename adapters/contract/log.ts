/** Logging as engines need it: a function handed in, and the one that processes use. */
import { createFaultLog, noFaults, type ReportFault } from '../../src/fault-log.ts'

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

/** Faults of which a client can cause many: an answer of status 500, and one that broke off. */
const ENGINE_FAULTS = ['request', 'generation'] as const

/** Their lines are bounded and carry the counts, since an engine has no metrics. */
export const openFaults = (
  log: Log,
  now: () => number
): ReportFault<(typeof ENGINE_FAULTS)[number]> =>
  createFaultLog({
    counts: noFaults(ENGINE_FAULTS),
    write: (line) => log('error', 'fault', line),
    now,
  })
