/**
 * The admin API, which a token of its own protects. It is mounted under `/admin` and throws errors,
 * which the app around it renders. It knows the store, but neither the engine nor the worker: they read
 * decisions from the store.
 */
import { OpenAPIHono } from '@hono/zod-openapi'
import { Hono, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { bearerTokenCheck } from '../bearer-token.ts'
import { AppError } from '../errors.ts'
import type { AdminDeps } from './deps.ts'
import { addInternalizationRoutes } from './internalization-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addRatingRoutes } from './rating-routes.ts'
import { addTemplateRoutes } from './template-routes.ts'

const requireToken = (token: string): MiddlewareHandler => {
  const isGiven = bearerTokenCheck(token)
  return async (context, next) => {
    if (!isGiven(context.req.header('authorization'))) {
      throw new AppError(
        'unauthorized',
        'the admin API needs the header authorization: Bearer <ADMIN_TOKEN>'
      )
    }
    await next()
  }
}

/** Reports the first mistake of a request, because OpenAI's error format names one parameter. */
const createApi = (): OpenAPIHono =>
  new OpenAPIHono({
    defaultHook: (result) => {
      if (result.success) return
      const [issue] = result.error.issues
      const param = issue?.path.join('.') ?? ''
      throw new AppError('invalid-request', `${param}: ${issue?.message ?? 'invalid'}`, { param })
    },
  })

const describeApi = (api: OpenAPIHono): void => {
  api.openAPIRegistry.registerComponent('securitySchemes', 'adminToken', {
    type: 'http',
    scheme: 'bearer',
  })
  api.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'promptintern-proxy admin API',
      version: '1',
      description: 'Templates of the traffic, their internalizations, the log, and decisions.',
    },
    servers: [{ url: '/admin/api' }],
    security: [{ adminToken: [] }],
  })
}

/** @returns an app with all routes under `/api`; any other path throws `not-found` */
export const createAdminApp = (deps: AdminDeps): Hono => {
  const api = createApi()
  api.onError((error) => {
    // the framework throws this for a body that is not JSON; the app around this one renders it
    throw error instanceof HTTPException ? new AppError('invalid-request', error.message) : error
  })
  addTemplateRoutes(api, deps)
  addInternalizationRoutes(api, deps)
  addLogRoutes(api, deps)
  addRatingRoutes(api, deps)
  describeApi(api)
  return (
    new Hono()
      .use('*', requireToken(deps.token))
      .route('/api', api)
      // an unknown path under /admin must not reach the proxy, which would send it to the upstream
      .all('*', (context) => {
        throw new AppError('not-found', `there is no ${context.req.method} ${context.req.path}`)
      })
  )
}
