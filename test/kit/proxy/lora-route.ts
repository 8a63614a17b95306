/** A live route for what `chatBody` sends, of the caller that `send` is. */
import { ANSWERS, KINDS } from '../records/route-rules.ts'
import type { Route } from '../../../src/core/route/route.ts'
import type { Template } from '../../../src/core/template/template.ts'
import { createTenants } from '../../../src/proxy/access/tenants.ts'
import { AUTHORIZATION } from './harness.ts'

export const PROMPT = 'Sort the question.'

export const TENANTS = {
  secret: 'secret',
  ttlMs: 60_000,
  maxEntries: 100,
  now: () => performance.now(),
}

export const TEMPLATE: Template = {
  tenant: createTenants(TENANTS).identify({ rawHeaders: ['authorization', AUTHORIZATION] }).tenant,
  model: 'gpt-4o-mini',
  tools: '',
  responseFormat: '',
  version: 'version-1',
  messages: [
    { role: 'system', segments: [{ kind: 'anchor', text: PROMPT }] },
    { role: 'user', segments: [{ kind: 'query' }] },
  ],
  maxTurnsAfter: 0,
}

export const ROUTE: Route = {
  template: TEMPLATE,
  internalizationId: 'internalization-1',
  engine: 'hand',
  lora: 'lora-abc',
  confidence: 'sum',
  threshold: -1,
  answers: ANSWERS,
  kinds: KINDS,
  trafficShare: 1,
  auditShare: 0,
  auditPart: 1,
  templateTokens: 40,
}
