/** What a view gets: the dependencies, the session, and where it is. */
import type { HttpBindings } from '@hono/node-server'
import type { Context, Hono } from 'hono'
import type { RoleDeps } from '../deps.ts'
import type { Session } from '../access/sessions.ts'
import type { Assets } from './assets.ts'

export interface PageVariables {
  assets: Assets
  session: Session
  /** for hidden fields, see `Sessions.formToken` */
  formToken: string
  /** of the store, before the view read it */
  revision: string
}

export type PageEnv = { Bindings: HttpBindings; Variables: PageVariables }
export type PageContext = Context<PageEnv>
export type PageApp = Hono<PageEnv>

/** Adds the routes of one view. */
export type AddView = (app: PageApp, deps: RoleDeps) => void

/** All addresses of the page begin with it. */
export const BASE = '/admin'

/** The holder of `ADMIN_READ_TOKEN` sees figures alone, see `mayUse`. */
export const isFull = (context: PageContext): boolean => context.get('session').role === 'full'

/** The cause of a decision in the history: `admin`, with the name that the person gave. */
export const causeOf = (context: PageContext): string => {
  const { name } = context.get('session')
  return name === null ? 'admin' : `admin (${name})`
}
