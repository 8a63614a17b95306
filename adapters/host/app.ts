/**
 * The engine contract over HTTP (docs/contract.md): a thin Hono app on top of a backend, a file
 * store and a job queue. Knows nothing of models and of ports.
 */
import { Hono, type MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { bearerTokenCheck } from '../../src/bearer-token.ts'
import { AppError, isFault, toAppError } from '../../src/errors.ts'
import { engineErrorBody } from '../../src/openai/error-body.ts'
import type { AppDeps } from './deps.ts'
import { chatRoutes } from './chat-routes.ts'
import { fileRoutes } from './file-routes.ts'
import { jobRoutes } from './job-routes.ts'
import { openFaults } from './log.ts'
import { modelRoutes } from './model-routes.ts'

const MULTIPART_ENVELOPE_BYTES = 64 * 1024

const bearerAuth = (token: string): MiddlewareHandler => {
  const isGiven = bearerTokenCheck(token)
  return async (c, next) => {
    if (!isGiven(c.req.header('authorization')))
      throw new AppError('unauthorized', 'the bearer token is missing or wrong')
    await next()
  }
}

const limitBody = (maxBytes: number): MiddlewareHandler =>
  bodyLimit({
    maxSize: maxBytes,
    onError: () => {
      throw new AppError('body-too-large', `the body may have ${maxBytes} bytes`)
    },
  })

/** The app answers requests as a `fetch` function; errors have OpenAI's format. */
export const createContractApp = (deps: AppDeps): Hono => {
  const { token, limits, log, now } = deps
  const fault = openFaults(log, now)
  const limitJson = limitBody(limits.maxBodyBytes)
  const limitUpload = limitBody(limits.maxFileBytes + MULTIPART_ENVELOPE_BYTES)
  return new Hono()
    .get('/healthz', (c) => c.json({ status: 'ok' }))
    .use('/v1/*', bearerAuth(token))
    .use('/v1/*', (c, next) => (c.req.path === '/v1/files' ? limitUpload : limitJson)(c, next))
    .route('/v1', fileRoutes(deps))
    .route('/v1', jobRoutes(deps))
    .route('/v1', modelRoutes(deps))
    .route('/v1', chatRoutes({ ...deps, fault }))
    .notFound((c) =>
      c.json(
        engineErrorBody(new AppError('not-found', `no route ${c.req.method} ${c.req.path}`)),
        404
      )
    )
    .onError((thrown, c) => {
      const error = toAppError(thrown)
      if (isFault(error)) fault('request', thrown, { path: c.req.path })
      return c.json(engineErrorBody(error), error.status as ContentfulStatusCode)
    })
}
