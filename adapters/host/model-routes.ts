/** `/v1/models`, and the routes that OpenAI lacks: `/v1/tokenize` and `/v1/loss`. */
import { Hono } from 'hono'
import { z } from 'zod'
import { AppError } from '../../src/errors.ts'
import type { LossRequest, ModelObject, TokenizeRequest } from '../../src/openai/fine-tuning.ts'
import type { AppDeps } from './deps.ts'
import type { EngineBackend } from './backend.ts'
import { messagesSchema, parseJson, parseWith, rowSchema } from './validation.ts'
import { invalidRequest } from './invalid-request.ts'

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
