/**
 * The admin API: JSON for people and their tools, behind a token of its own. Mounted under
 * `/admin`; errors are thrown, and the app that mounts it renders them. Knows the store, but
 * neither engine nor worker: they see what changed here in the store.
 */
import { randomUUID } from 'node:crypto'
import { OpenAPIHono } from '@hono/zod-openapi'
import { Hono, type MiddlewareHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { bearerTokenCheck } from '../bearer-token.ts'
import { AppError } from '../errors.ts'
import type { AdminDeps } from './deps.ts'
import { addForgetRoutes } from './forget-routes.ts'
import { addInternalizationRoutes } from './internalization-routes.ts'
import { addLogRoutes } from './log-routes.ts'
import { addTemplateRoutes } from './template-routes.ts'

const requireToken = (token: string): MiddlewareHandler => {
  const isGiven = bearerTokenCheck(token)
  return async (context, next) => {
    if (!isGiven(context.req.header('authorization'))) {
      throw new AppError('unauthorized', 'the admin API needs its token: authorization: Bearer …')
    }
    await next()
  }
}

/** The first of a request's mistakes, as OpenAI's errors name one parameter. */
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
      description: 'Templates found in the traffic, their internalizations, and decisions on them.',
    },
    servers: [{ url: '/admin/api' }],
    security: [{ adminToken: [] }],
  })
}

export type AdminOptions = Omit<AdminDeps, 'newId'> & Partial<Pick<AdminDeps, 'newId'>>

/** @returns an app with everything under `/api`; any other path is `not-found` */
export const createAdminApp = ({ newId = randomUUID, ...options }: AdminOptions): Hono => {
  const deps = { ...options, newId }
  const api = createApi()
  api.onError((error) => {
    // the framework's word for a body that is no JSON; rendering stays with the app around this one
    throw error instanceof HTTPException ? new AppError('invalid-request', error.message) : error
  })
  addTemplateRoutes(api, deps)
  addInternalizationRoutes(api, deps)
  addLogRoutes(api, deps)
  addForgetRoutes(api, deps)
  describeApi(api)
  return (
    new Hono()
      .use('*', requireToken(deps.token))
      .route('/api', api)
      // nothing under here may reach the proxy, and with it the upstream
      .all('*', (context) => {
        throw new AppError('not-found', `there is no ${context.req.method} ${context.req.path}`)
      })
  )
}
