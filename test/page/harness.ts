/** The page over a real store in a folder of its own, asked as a browser without a script would. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Hono } from 'hono'
import { afterEach, beforeEach } from 'vitest'
import type { AdminDeps } from '../../src/admin/deps.ts'
import { openLocalStore } from '../../src/store/sqlite/local.ts'
import type { Store } from '../../src/store/store.ts'
import { adminApp, READ_TOKEN, TOKEN } from '../kit/records/admin-app.ts'

export { READ_TOKEN, TOKEN }

export interface Page {
  store: Store
  /** errors that were not the reader's */
  faults: unknown[]
  clock: { now: number }
  /** of the page and the API, each once, with names of parameters (`:id`) */
  routes: { method: string; path: string }[]
  /** of the whole, for a server */
  fetch: Hono['fetch']
  /** as it is, with the cookies of this browser */
  request(path: string, init?: RequestInit): Promise<Response>
  /** Sends a form that no view has. */
  post(path: string, fields?: Record<string, string>, headers?: object): Promise<Response>
  signIn(token?: string, name?: string): Promise<Response>
  /** @returns the markup of a view; throws when the status is not 200 */
  view(path: string): Promise<string>
  /** Sends the form of a view, given by its path or its markup, whose action is `path`, hidden fields included. */
  submit(view: string, path: string, fields?: Record<string, string>): Promise<Response>
  close(): Promise<void>
}

const form = (fields: Record<string, string> = {}, headers: object = {}): RequestInit => ({
  method: 'POST',
  headers: {
    'content-type': 'application/x-www-form-urlencoded',
    origin: 'http://localhost',
    ...headers,
  },
  body: new URLSearchParams(fields).toString(),
})

const unescaped = (text: string): string => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"')

/** Address of the link with these words, which must be there. */
export const linkIn = (markup: string, words: string): string =>
  unescaped(new RegExp(`href="([^"]+)">${words}`).exec(markup)![1]!)

/** Hidden fields of the form with this action. @throws Error when the view has no such form */
const hiddenFields = (markup: string, action: string): Record<string, string> => {
  const forms = [...markup.matchAll(/<form[^>]*action="([^"]*)"[^>]*>(.*?)<\/form>/gs)]
  const found = forms.find(([, path]) => unescaped(path!) === action)
  if (found === undefined)
    throw new Error(`no form ${action}, only ${forms.map(([, path]) => path).join(', ')}`)
  const hidden = found[2]!.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)
  return Object.fromEntries([...hidden].map(([, name, value]) => [name!, unescaped(value!)]))
}

export const openPage = async (
  changes: Partial<AdminDeps> = {},
  environment: Record<string, string> = {}
): Promise<Page> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'page-'))
  const clock = { now: 50_000 }
  const now = (): number => clock.now
  const store = await openLocalStore({ dataDir })
  const faults: unknown[] = []
  const onFault = (error: unknown): void => void faults.push(error)
  const app = adminApp(store, now, { onFault, ...changes }, environment)
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
  const routes = app.routes.filter(({ method }) => method !== 'ALL')
  return {
    store,
    routes: [
      ...new Map(
        routes.map(({ method, path }) => [`${method} ${path}`, { method, path }])
      ).values(),
    ],
    faults,
    clock,
    fetch: app.fetch,
    request,
    post: (path, fields, headers) => request(path, form(fields, headers)),
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

/** A page of its own for each test of the file or the group, signed in with the full token. */
export const usePage = (changes?: Partial<AdminDeps>): Page => {
  const page = {} as Page
  beforeEach(async () => {
    Object.assign(page, await openPage(changes))
    await page.signIn()
  })
  afterEach(() => page.close())
  return page
}
