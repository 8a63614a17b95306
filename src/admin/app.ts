/**
 * The admin API and the page, mounted under `/admin`. They know the store, but neither the engine nor the
 * worker: these read decisions from the store.
 */
import { Hono } from 'hono'
import { createApiApp } from './api/api-app.ts'
import type { AdminDeps } from './deps.ts'
import { createPageApp } from './page/page-app.tsx'

/** @returns an app that answers every path under it; errors of the API are thrown */
export const createAdminApp = (deps: AdminDeps): Hono =>
  new Hono().route('/api', createApiApp(deps)).route('/', createPageApp(deps))
