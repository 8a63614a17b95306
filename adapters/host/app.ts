/**
 * The engine contract over HTTP (docs/contract.md): a thin Hono app on top of a backend, a file
 * store and a job queue. Knows nothing of models and of ports.
 */
import { Hono, type MiddlewareHandler, type Context } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { bearerTokenCheck } from '../../src/bearer-token.ts'
import { AppError, isFault, toAppError } from '../../src/errors.ts'
import { engineErrorBody } from '../../src/openai/error-body.ts'
import type { AppDeps } from './deps.ts'
import { chatRoutes } from './chat-routes.ts'
import { openFaults } from './log.ts'
import { page } from './page.ts'
import { invalidRequest, parseJson, parseWith, messagesSchema, rowSchema } from './validation.ts'
import { z } from 'zod'
import type { LossRequest, ModelObject, TokenizeRequest } from '../../src/openai/fine-tuning.ts'
import type { EngineBackend } from './backend.ts'

const tokenizeSchema: z.ZodType<TokenizeRequest> = z
  .strictObject({
    model: z.string().min(1),
    messages: messagesSchema.optional(),
    prompt: z.string().optional(),
  })
  .refine((request) => (request.messages === undefined) !== (request.prompt === undefined), {
    error: 'needs either messages or prompt',
  })

const lossSchema: z.ZodType<LossRequest> = z.strictObject({
  model: z.string().min(1),
  rows: z.array(rowSchema).nonempty({ error: 'must not be empty' }),
})

const findModel = (backend: EngineBackend, id: string): ModelObject => {
  const model = backend.models().find((candidate) => candidate.id === id)
  if (!model) throw new AppError('not-found', `no model ${id}`, { param: 'model' })
  return model
}

export const modelRoutes = ({ backend, jobs }: AppDeps): Hono =>
  new Hono()
    .get('/models', (c) => c.json({ object: 'list', data: backend.models() }))
    // because a model's id may have slashes
    .get('/models/:id{.+}', (c) => c.json(findModel(backend, c.req.param('id'))))
    .delete('/models/:id{.+}', async (c) => {
      const { id, parent } = findModel(backend, c.req.param('id'))
      if (parent === undefined)
        throw invalidRequest(`${id} is a base model and cannot be deleted`, 'model')
      if (jobs.needsModel(id))
        throw new AppError('conflict', `an unfinished job starts from ${id}: cancel it first`)
      await backend.deleteModel(id)
      return c.json({ id, object: 'model', deleted: true })
    })
    .post('/tokenize', async (c) => {
      const { model, messages, prompt } = parseWith(tokenizeSchema, parseJson(await c.req.text()))
      const { max_model_len } = findModel(backend, model)
      const count = await backend.countTokens(model, messages ?? prompt ?? '')
      return c.json({ count, max_model_len })
    })
    .post('/loss', async (c) => {
      const { model, rows } = parseWith(lossSchema, parseJson(await c.req.text()))
      findModel(backend, model)
      return c.json(await backend.loss(model, rows))
    })

/** `?metadata[key]=value&…`, as OpenAI's clients write it. */
const metadataFilter = (c: Context): Record<string, string> =>
  Object.fromEntries(
    Object.entries(c.req.query()).flatMap(([name, value]) => {
      const key = /^metadata\[(.+)\]$/.exec(name)?.[1]
      return key === undefined ? [] : [[key, value]]
    })
  )

const orderSchema = z.object({ order: z.enum(['asc', 'desc']).default('desc') })

export const jobRoutes = ({ jobs }: AppDeps): Hono =>
  new Hono()
    .post('/fine_tuning/jobs', async (c) =>
      c.json(await jobs.create(parseJson(await c.req.text())))
    )
    .get('/fine_tuning/jobs', (c) => c.json(page(c, jobs.list(metadataFilter(c)))))
    .get('/fine_tuning/jobs/:id', (c) => c.json(jobs.get(c.req.param('id'))))
    .post('/fine_tuning/jobs/:id/cancel', async (c) => c.json(await jobs.cancel(c.req.param('id'))))
    .get('/fine_tuning/jobs/:id/events', async (c) => {
      const { order } = parseWith(orderSchema, c.req.query())
      const events = await jobs.events(c.req.param('id'))
      return c.json(page(c, order === 'asc' ? events : events.reverse()))
    })

const PURPOSE = 'fine-tune'

const readUpload = async (request: Request): Promise<{ file: File; purpose: string }> => {
  const form = await request.formData().catch((error: unknown) => {
    throw new AppError('invalid-request', 'the body is not multipart/form-data', { cause: error })
  })
  const file = form.get('file')
  if (!(file instanceof File)) throw invalidRequest('the upload has no file', 'file')
  const purpose = form.get('purpose')
  if (purpose !== PURPOSE) throw invalidRequest(`purpose must be ${PURPOSE}`, 'purpose')
  return { file, purpose }
}

export const fileRoutes = ({ files, jobs }: AppDeps): Hono =>
  new Hono()
    .post('/files', async (c) => {
      const { file, purpose } = await readUpload(c.req.raw)
      const upload = { filename: file.name, purpose, content: file }
      return c.json(await files.create(upload, (id) => jobs.isFileSpent(id)))
    })
    .get('/files', (c) => {
      const purpose = c.req.query('purpose')
      const wanted = files.list().filter((file) => !purpose || file.purpose === purpose)
      return c.json(page(c, wanted))
    })
    .get('/files/:id', (c) => c.json(files.get(c.req.param('id'))))
    .get('/files/:id/content', async (c) => c.text(await files.read(c.req.param('id'))))
    .delete('/files/:id', async (c) => {
      const { id } = files.get(c.req.param('id'))
      if (jobs.needsFile(id))
        throw new AppError('conflict', `an unfinished job reads file ${id}: cancel it first`)
      await files.remove(id)
      return c.json({ id, object: 'file', deleted: true })
    })

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
