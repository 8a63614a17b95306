/** What a role may read: the dependencies of its routes, and the routes that its requests reach. */
import type { Context, Env, Hono, MiddlewareHandler } from 'hono'
import type { Template } from '../../core/template/template.ts'
import type { AdminDeps, RoleDeps } from '../deps.ts'
import { readerStore } from './reader-store.ts'
import type { AdminRole } from '../access/roles.ts'

/**
 * Dependencies without text of the traffic. Economics are figures, and are worked out from whole templates; the
 * proof file is made without text.
 */
const readerDeps = <Deps extends AdminDeps>(deps: Deps): Deps => {
  const { store, economics } = deps
  const whole = async (templates: readonly Template[]): Promise<Template[]> => {
    const versions = new Set(templates.map(({ version }) => version))
    return (await store.templates.list()).filter(({ version }) => versions.has(version))
  }
  return {
    ...deps,
    store: readerStore(store),
    economics: {
      ...economics,
      caches: () => economics.caches(false),
      assess: async (templates: readonly Template[]) => economics.assess(await whole(templates)),
      known: async (templates: readonly Template[]) => economics.known(await whole(templates)),
    },
  }
}

/** The part of Node's request that tells whether its client is still there; absent without a server. */
type Asked = { incoming?: { socket: { destroyed: boolean } } } | undefined

const hasLeft = ({ env }: Context): boolean => (env as Asked)?.incoming?.socket.destroyed === true

/**
 * A method that changes nothing. Any other one is a decision: it does not wait, it needs the full token, and on the page
 * a form of the session.
 */
export const isRead = (method: string): boolean => method === 'GET' || method === 'HEAD'

/**
 * Adds routes once for each role, over what the role may read, and lets reads of a role wait for their turn.
 * @param roleOf role of a request that may be there
 * @param routesOver makes an app with the routes
 */
export const addByRole = <E extends Env, Deps extends RoleDeps>(
  app: Hono<E>,
  deps: Deps,
  roleOf: (context: Context<E>) => AdminRole,
  routesOver: (deps: Deps) => Pick<Hono, 'routes'>
): void => {
  app.use('*', (context, next) =>
    isRead(context.req.method)
      ? deps.readTurns[roleOf(context)].take(next, () => hasLeft(context))
      : next()
  )
  const roles: [AdminRole, Deps][] = [
    ['full', deps],
    ['read', readerDeps(deps)],
  ]
  for (const [role, own] of roles)
    for (const { method, path, handler } of routesOver(own).routes) {
      const forRole: MiddlewareHandler<E> = (context, next) =>
        roleOf(context) === role ? handler(context, next) : next()
      app.on(method, path, forRole)
    }
}
