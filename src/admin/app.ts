/**
 * The admin API and the page, mounted under `/admin`. They know the store, but neither the engine nor the
 * worker: these read decisions from the store.
 */
import { Hono } from 'hono'
import { apiDocumentOf, createApiApp } from './api/api-app.ts'
import type { AdminDeps, ApiDeps, RoleDeps } from './deps.ts'
import { createPageApp } from './page/page-app.tsx'
import { proofFile } from '../lifecycle/proof-file.ts'
import { readInternalization } from '../views/internalization.ts'
import { Turns } from './access/turns.ts'

/** @returns an app that answers every path under it; errors of the API are thrown */
export const createAdminApp = (deps: AdminDeps): Hono => {
  const apiDeps: ApiDeps = {
    ...deps,
    readTurns: { full: new Turns(), read: new Turns() },
    async proofOf(id) {
      const row = await readInternalization(deps.store, id)
      return { row, file: await proofFile(deps.store, row, deps.now()) }
    },
  }
  const roleDeps: RoleDeps = { ...apiDeps, apiDocument: () => apiDocumentOf(apiDeps) }
  return new Hono().route('/api', createApiApp(roleDeps)).route('/', createPageApp(roleDeps))
}
