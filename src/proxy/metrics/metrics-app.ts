/** `GET /metrics` in Prometheus' text format, behind the admin token. */
import { Hono } from 'hono'
import type { Registry as MetricsRegistry } from 'prom-client'
import { bearerTokenCheck } from '../../bearer-token.ts'
import { AppError } from '../../errors.ts'

export type { MetricsRegistry }

/** @param token null on a loopback address only: then no token is needed */
export const createMetricsApp = (registry: MetricsRegistry, token: string | null): Hono => {
  const mayRead = token === null ? () => true : bearerTokenCheck(token)
  return new Hono().get('/', async (context) => {
    if (!mayRead(context.req.header('authorization')))
      throw new AppError(
        'unauthorized',
        'metrics need the admin token as authorization: Bearer <token>'
      )
    return context.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
}
