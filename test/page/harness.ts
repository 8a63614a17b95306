/** The page over a real store in a folder of its own, asked as a browser without a script would. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Hono } from 'hono'
import { createTokenGate } from '../../src/admin/access/token-gate.ts'
import { createAdminApp } from '../../src/admin/app.ts'
import type { AdminDeps } from '../../src/admin/deps.ts'
import { parseConfig } from '../../src/config/config.ts'
import type { Price } from '../../src/core/cost/prices.ts'
import { toAppError } from '../../src/errors.ts'
import { errorBody } from '../../src/openai/error-body.ts'
import { economicsSettings } from '../../src/config/config-files.ts'
import { openEconomics } from '../../src/savings/economics.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { Store } from '../../src/store/store.ts'
import { ADMIN_EFFECTS } from '../kit/records/admin-effects.ts'
import { exampleStatus } from '../kit/records/process-status.ts'
import { AT_ONCE } from '../kit/records/rollout.ts'

export const TOKEN = 'full-secret'
export const READ_TOKEN = 'read-secret'

export interface Page {
  store: Store
  /** errors that were not the reader's */
  faults: unknown[]
  clock: { now: number }
  /** of all routes for reading, of the page and the API, with names of parameters (`:id`) */
  paths: string[]
  /** of the whole, for a server */
  fetch: Hono['fetch']
  /** as it is, with the cookies of this browser */
  request(path: string, init?: RequestInit): Promise<Response>
  signIn(token?: string, name?: string): Promise<Response>
  /** @returns the markup of a view; throws when the status is not 200 */
  view(path: string): Promise<string>
  /** Sends the form of a view, given by its path or its markup, whose action is `path`, hidden fields included. */
  submit(view: string, path: string, fields?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

const form = (fields: Record<string, string>): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'http://localhost' },
  body: new URLSearchParams(fields).toString(),
})

const unescaped = (text: string): string => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"')

/** Hidden fields of the form with this action. @throws Error when the view has no such form */
const hiddenFields = (markup: string, action: string): Record<string, string> => {
  const forms = [...markup.matchAll(/<form[^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs)]
  const found = forms.find(([, path]) => unescaped(path!) === action)
  if (found === undefined)
    throw new Error(`no form ${action}, only ${forms.map(([, path]) => path).join(', ')}`)
  const hidden = found[2]!.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)
  return Object.fromEntries([...hidden].map(([, name, value]) => [name!, unescaped(value!)]))
}

interface Priced {
  /** keys of the configuration that decide what a lora costs */
  environment?: Record<string, string>
  prices?: Price[]
}

export const openPage = async (
  changes: Partial<AdminDeps> = {},
  { environment = {}, prices = [] }: Priced = {}
): Promise<Page> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'page-'))
  const clock = { now: 50_000 }
  const store = await openLocalStore({ dataDir }, () => clock.now)
  const faults: unknown[] = []
  const app = new Hono().route(
    '/admin',
    createAdminApp({
      store,
      tokens: { full: TOKEN, read: READ_TOKEN },
      gate: createTokenGate({ full: TOKEN, read: READ_TOKEN }, () => clock.now),
      now: () => clock.now,
      refreshRoutes: async () => undefined,
      status: () => exampleStatus(),
      rollout: AT_ONCE,
      settings: () => parseConfig({}).settings,
      economics: openEconomics(
        changes.store ?? store,
        economicsSettings(parseConfig(environment), prices),
        () => clock.now
      ),
      costUsd: () => null,
      prices,
      newId: () => crypto.randomUUID(),
      ...ADMIN_EFFECTS,
      blindSecret: 'blind',
      onFault: (error) => void faults.push(error),
      ...changes,
    })
  )
  // as the server's app renders errors of the API
  app.onError((thrown) => {
    const error = toAppError(thrown)
    return Response.json(errorBody(error), { status: error.status })
  })
  const cookies = new Map<string, string>()
  const request = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ')
    const headers = { ...(cookie === '' ? {} : { cookie }), ...(init.headers as object) }
    const response = await app.request(path, { ...init, headers })
    for (const set of response.headers.getSetCookie()) {
      const [name, value] = set.split(';')[0]!.split('=') as [string, string]
      if (/Max-Age=0/.test(set)) cookies.delete(name)
      else cookies.set(name, value)
    }
    return response
  }
  const view = async (path: string): Promise<string> => {
    const response = await request(path)
    const markup = await response.text()
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${markup}`)
    return markup
  }
  const reading = app.routes.filter(({ method, path }) => method === 'GET' && !path.includes('*'))
  return {
    store,
    paths: [...new Set(reading.map(({ path }) => path))],
    faults,
    clock,
    fetch: app.fetch,
    request,
    view,
    signIn: (token = TOKEN, name = '') => request('/admin/sign-in', form({ token, name })),
    submit: async (path, action, fields = {}) =>
      request(
        action,
        form({ ...hiddenFields(path.startsWith('/') ? await view(path) : path, action), ...fields })
      ),
    close: async () => {
      await store.close()
      rmSync(dataDir, { recursive: true })
    },
  }
}
