/**
 * What nobody caught: logged and counted, and the process goes on. It serves many clients at once, and
 * one request's fault must not end all the others.
 */
import { Counter, type Registry } from 'prom-client'
import type { Logger } from './logger.ts'

/** @returns a listener for `uncaughtException`, which unhandled rejections come to as well */
export const createLastResort = (
  logger: Pick<Logger, 'error'>,
  registry: Registry
): ((error: unknown) => void) => {
  const count = new Counter({
    name: 'promptintern_unexpected_errors_total',
    help: 'Errors that nobody caught',
    registers: [registry],
  })
  return (error) => {
    count.inc()
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    logger.error({ error: text }, 'unexpected')
  }
}
