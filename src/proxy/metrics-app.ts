/** `GET /metrics` in Prometheus' text format, for those who know the token. */
import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import type { Registry as MetricsRegistry } from 'prom-client'
import { AppError } from '../errors.ts'

export type { MetricsRegistry }

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()

/** Compares digests: equal length, and no time that tells how much of a guess was right. */
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b))

/** @param token null on a loopback address only: then everybody may read */
export const createMetricsApp = (registry: MetricsRegistry, token: string | null): Hono =>
  new Hono().get('/', async (context) => {
    const given = context.req.header('authorization') ?? ''
    if (token !== null && !isSame(given, `Bearer ${token}`)) {
      throw new AppError('unauthorized', 'metrics need the admin token')
    }
    return context.body(await registry.metrics(), 200, { 'content-type': registry.contentType })
  })
