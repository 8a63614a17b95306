/** `GET /metrics` in Prometheus' text format, behind the admin token. */
import type { HttpBindings } from '@hono/node-server'
import { Hono } from 'hono'
import type { Registry as MetricsRegistry } from 'prom-client'
import { AppError } from '../../errors.ts'

export type { MetricsRegistry }

/**
 * Whether the `authorization` header of a request has the admin token.
 * @param env undefined for a request without a connection
 * @throws AppError `rate-limited` for a sender of many wrong tokens
 */
export type MayReadMetrics = (
  authorization: string | undefined,
  env: HttpBindings | undefined
) => boolean

export const createMetricsApp = (
  registry: MetricsRegistry,
  mayReadMetrics: MayReadMetrics
): Hono<{ Bindings: HttpBindings }> =>
  new Hono<{ Bindings: HttpBindings }>().get('/', async (context) => {
    if (!mayReadMetrics(context.req.header('authorization'), context.env))
      throw new AppError(
        'unauthorized',
        'metrics need the admin token as authorization: Bearer <token>'
      )
    return context.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
