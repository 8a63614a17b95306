/** The JSON API under `/admin/api`. It throws errors, which the app around it renders. */
import { OpenAPIHono } from '@hono/zod-openapi'
import { Hono, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { bearerToken, mayUse, NO_RIGHT } from '../access/roles.ts'
import { addressOf, type TokenGate } from '../access/token-gate.ts'
import { takeTurns } from '../access/turns.ts'
import type { ApiDeps, RoleDeps } from '../deps.ts'
import { AppError } from '../../errors.ts'
import type { Api, ApiEnv } from './route.ts'
import { addInternalizationRoutes } from './internalization-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addRatingRoutes } from './rating-routes.ts'
import { addTemplateRoutes } from './template-routes.ts'

const requireToken =
  (gate: TokenGate): MiddlewareHandler<ApiEnv> =>
  async (context, next) => {
    const { req } = context
    // a request without a connection has none
    const { incoming } = (context.env ?? {}) as Partial<ApiEnv['Bindings']>
    const role = gate.judge(bearerToken(req.header('authorization')), addressOf(incoming))
    if (role === null)
      throw new AppError(
        'unauthorized',
        'the admin API needs the header authorization: Bearer <ADMIN_TOKEN>'
      )
    if (!mayUse(role, req.method, req.path)) throw new AppError('forbidden', NO_RIGHT)
    context.set('role', role)
    await next()
  }

/** Reports the first mistake of a request, because OpenAI's error format names one parameter. */
const createApi = (): Api =>
  new OpenAPIHono<ApiEnv>({
    defaultHook: (result) => {
      if (result.success) return
      const [issue] = result.error.issues
      const param = issue?.path.join('.') ?? ''
      throw new AppError('invalid-request', `${param}: ${issue?.message ?? 'invalid'}`, { param })
    },
  })

const INFO = {
  openapi: '3.1.0',
  info: {
    title: 'promptintern-proxy admin API',
    version: '1',
    description: 'Templates of the traffic, their internalizations, the log, and decisions.',
  },
  servers: [{ url: '/admin/api' }],
  security: [{ adminToken: [] }],
}

const describeApi = (api: Api): void => {
  api.openAPIRegistry.registerComponent('securitySchemes', 'adminToken', {
    type: 'http',
    scheme: 'bearer',
  })
  api.doc31('/openapi.json', INFO)
}

const routesOver = (deps: ApiDeps): Api => {
  const api = createApi()
  addTemplateRoutes(api, deps)
  addInternalizationRoutes(api, deps)
  addLogRoutes(api, deps)
  addRatingRoutes(api, deps)
  describeApi(api)
  return api
}

/** What the API's routes say of themselves. */
export const apiDocumentOf = (deps: ApiDeps): object => routesOver(deps).getOpenAPI31Document(INFO)

export const createApiApp = (deps: RoleDeps): Hono<ApiEnv> => {
  const api = new Hono<ApiEnv>()
  api.onError((error) => {
    // the framework throws this for a body that is not JSON; the app around this one renders it
    throw error instanceof HTTPException ? new AppError('invalid-request', error.message) : error
  })
  api.use('*', requireToken(deps.gate))
  api.use(
    '*',
    takeTurns<ApiEnv>(deps.readTurns, (context) => context.get('role'))
  )
  api.route('/', routesOver(deps))
  // an unknown path must not reach the proxy, which would send it to the upstream
  api.all('*', ({ req }) => {
    throw new AppError('not-found', `there is no ${req.method} ${req.path}`)
  })
  return api
}
