/** The admin API and the page over a store, without a server, a proxy or an engine. */
import { randomBytes } from 'node:crypto'
import { Hono } from 'hono'
import { createTokenGate } from '../../../src/admin/access/token-gate.ts'
import { createAdminApp } from '../../../src/admin/app.ts'
import type { AdminDeps } from '../../../src/admin/deps.ts'
import { economicsSettings } from '../../../src/config/config-files.ts'
import { parseConfig } from '../../../src/config/config.ts'
import { toAppError } from '../../../src/errors.ts'
import { errorBody } from '../../../src/openai/error-body.ts'
import { openEconomics } from '../../../src/savings/economics.ts'
import type { Store } from '../../../src/store/store.ts'
import { OWN_TERMS } from '../upstream/own-terms.ts'
import { exampleStatus } from './process-status.ts'
import { AT_ONCE } from './rollout.ts'

export const TOKEN = 'full-secret'
export const READ_TOKEN = 'read-secret'

/** @param environment keys of the configuration that decide what a lora costs */
export const adminApp = (
  own: Store,
  now: () => number,
  changes: Partial<AdminDeps> = {},
  environment: Record<string, string> = {}
): Hono => {
  const { store = own, prices = [] } = changes
  const tokens = { full: TOKEN, read: READ_TOKEN }
  const settings = economicsSettings(parseConfig(environment), [...prices])
  const admin = createAdminApp({
    store,
    tokens,
    gate: createTokenGate(tokens, now),
    now,
    refreshRoutes: async () => undefined,
    status: () => exampleStatus(),
    rollout: AT_ONCE,
    settings: () => parseConfig({}).settings,
    economics: openEconomics(store, settings, now),
    costUsd: () => null,
    prices,
    newId: () => crypto.randomUUID(),
    randomBytes,
    terms: OWN_TERMS,
    neededRequests: 1000,
    blindSecret: 'blind',
    onFault: (error) => {
      throw error
    },
    ...changes,
  })
  // as the server's app renders errors of the API
  return new Hono().route('/admin', admin).onError((thrown) => {
    const error = toAppError(thrown)
    return Response.json(errorBody(error), { status: error.status })
  })
}
