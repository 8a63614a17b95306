/** `/v1/files`. */
import { Hono } from 'hono'
import { AppError } from '../../src/errors.ts'
import type { AppDeps } from './deps.ts'
import { listBody, pageQuery } from './list-body.ts'
import { page } from './page.ts'
import { invalidRequest } from './invalid-request.ts'

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
      return c.json(listBody(page(wanted, pageQuery(c))))
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
