/** Files, batches and fine-tuning jobs of the mock: what an account keeps. */
import { createHash } from 'node:crypto'
import type OpenAI from 'openai'
import { z } from 'zod'
import {
  bytes,
  CREATED,
  fileField,
  formBody,
  json,
  jsonBody,
  Refusal,
  textField,
  type Answer,
  type Call,
} from './wire.ts'

interface StoredFile {
  object: OpenAI.FileObject
  content: Buffer
}

const batchRequest = z.strictObject({
  input_file_id: z.string(),
  endpoint: z.enum(['/v1/chat/completions', '/v1/embeddings', '/v1/responses']),
  completion_window: z.literal('24h'),
  metadata: z.record(z.string(), z.string()).optional(),
})

const jobRequest = z.strictObject({
  model: z.string(),
  training_file: z.string(),
  suffix: z.string().optional(),
  seed: z.int().optional(),
})

const batchOf = (request: z.infer<typeof batchRequest>): OpenAI.Batch => ({
  id: `batch_${request.input_file_id}`,
  object: 'batch',
  created_at: CREATED,
  status: 'validating',
  request_counts: { total: 0, completed: 0, failed: 0 },
  ...request,
})

const jobOf = (request: z.infer<typeof jobRequest>): OpenAI.FineTuning.FineTuningJob => ({
  id: `ftjob-${request.training_file}`,
  object: 'fine_tuning.job',
  created_at: CREATED,
  model: request.model,
  training_file: request.training_file,
  validation_file: null,
  status: 'queued',
  organization_id: 'org-mock',
  hyperparameters: { n_epochs: 'auto' },
  seed: request.seed ?? 0,
  result_files: [],
  fine_tuned_model: null,
  finished_at: null,
  trained_tokens: null,
  error: null,
})

/** @throws Refusal 404 */
const found = <Value>(map: Map<string, Value>, { parts: [id = ''] }: Call): Value => {
  const value = map.get(id)
  if (value === undefined) throw new Refusal(404, `No such object: ${id}`, 'not_found', 'id')
  return value
}

/** One account: the same calls in the same order get the same answers, as names come from content. */
export const createAccount = () => {
  const files = new Map<string, StoredFile>()
  const batches = new Map<string, OpenAI.Batch>()
  const jobs = new Map<string, OpenAI.FineTuning.FineTuningJob>()

  const uploadFile = async (call: Call): Promise<Answer> => {
    const form = await formBody(call)
    const { filename, content } = await fileField(form, 'file')
    const id = `file-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
    const object: OpenAI.FileObject = {
      id,
      object: 'file',
      bytes: content.length,
      created_at: CREATED,
      filename,
      purpose: textField(form, 'purpose') as OpenAI.FileObject['purpose'],
      status: 'processed',
    }
    files.set(id, { object, content })
    return json(object)
  }

  return {
    uploadFile,
    listFiles: (): Answer => {
      const data = [...files.values()].map(({ object }) => object)
      const [first_id, last_id] = [data[0]?.id, data.at(-1)?.id]
      return json({ object: 'list', data, first_id, last_id, has_more: false })
    },
    getFile: (call: Call) => json(found(files, call).object),
    getContent: (call: Call) => bytes('application/octet-stream', [found(files, call).content]),
    deleteFile: (call: Call): Answer => {
      const { id } = found(files, call).object
      files.delete(id)
      return json({ id, object: 'file', deleted: true })
    },
    createBatch: (call: Call): Answer => {
      const batch = batchOf(jsonBody(batchRequest, call))
      batches.set(batch.id, batch)
      return json(batch)
    },
    getBatch: (call: Call) => json(found(batches, call)),
    createJob: (call: Call): Answer => {
      const job = jobOf(jsonBody(jobRequest, call))
      jobs.set(job.id, job)
      return json(job)
    },
    getJob: (call: Call) => json(found(jobs, call)),
  }
}
