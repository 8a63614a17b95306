/** The engines' log: a function type, and the implementation for processes. */
import { createFaultLog, noFaults, type ReportFault } from '../../src/fault-log.ts'
import { formed, formFor, jsonLine } from '../../src/process/log-line.ts'

export type Log = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>
) => void

const LEVELS = ['debug', 'info', 'warn', 'error', 'silent']

/**
 * Writes to stderr, which an engine shares with the server that started it, and in its form.
 * @param least LOG_LEVEL: lower levels are not written; an unknown value counts as info
 */
export const stderrLog = (engine: string, now: () => number, least = 'info'): Log => {
  const lowest = LEVELS.indexOf(LEVELS.includes(least) ? least : 'info')
  return (level, message, fields = {}) => {
    if (LEVELS.indexOf(level) < lowest) return
    const line = jsonLine(level, now(), { part: 'engine', engine, ...fields }, message)
    process.stderr.write(formed(line, formFor(process.stderr)))
  }
}

/** Faults that clients can cause in large numbers: answers of status 500, and interrupted streams. */
const ENGINE_FAULTS = ['request', 'generation'] as const

/** The number of log lines is bounded. Lines have counts, because an engine has no metrics. */
export const openFaults = (
  log: Log,
  now: () => number
): ReportFault<(typeof ENGINE_FAULTS)[number]> =>
  createFaultLog({
    counts: noFaults(ENGINE_FAULTS),
    write: (line) => log('error', 'fault', line),
    now,
  })
