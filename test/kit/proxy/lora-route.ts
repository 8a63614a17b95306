/** A live route for what `chatBody` sends, of the caller that `send` is. */
import type { Route } from '../../../src/core/route/route.ts'
import { createTenants } from '../../../src/proxy/access/tenants.ts'
import { liveRoute } from '../records/route-rules.ts'
import { AUTHORIZATION } from './harness.ts'

export const PROMPT = 'Sort the question.'

export const TENANTS = {
  secret: 'secret',
  ttlMs: 60_000,
  maxEntries: 100,
  now: () => performance.now(),
}

export const ROUTE: Route = {
  ...liveRoute({
    tenant: createTenants(TENANTS).identify({ rawHeaders: ['authorization', AUTHORIZATION] })
      .tenant,
    model: 'gpt-4o-mini',
    prompt: PROMPT,
    version: 'version-1',
    engine: 'hand',
    lora: 'lora-abc',
    templateTokens: 40,
  }),
  internalizationId: 'internalization-1',
}

export const TEMPLATE = ROUTE.template
