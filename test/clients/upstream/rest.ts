/** The mock's endpoints beside chat completions and responses: plain JSON, forms, binary answers. */
import { createHash } from 'node:crypto'
import {
  bodyOf,
  bytes,
  CREATED,
  formOf,
  json,
  Refusal,
  type Answer,
  type Endpoint,
} from './wire.ts'

const MODELS = ['gpt-4o-mini', 'gpt-4o', 'gpt-4o-audio-preview', 'text-embedding-3-small'].map(
  (id) => ({ id, object: 'model', created: CREATED, owned_by: 'system' })
)

/** @throws Refusal 404 */
export const requireModel = (id: string) => {
  const model = MODELS.find((known) => known.id === id)
  if (model) return model
  throw new Refusal(404, `The model '${id}' does not exist`, 'model_not_found')
}

/** Every byte value, so that a text decoder between the two ends would be noticed. */
const noise = (length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 89) % 256))

const embed: Endpoint = (request) => {
  const { model, input, encoding_format, dimensions } = bodyOf<{
    model: string
    input: string[]
    encoding_format?: string
    dimensions: number
  }>(request)
  const data = input.map((text, index) => {
    const vector = Float32Array.from({ length: dimensions }, (_, i) => Math.sin(i + text.length))
    const packed = Buffer.from(vector.buffer).toString('base64')
    return {
      object: 'embedding',
      index,
      embedding: encoding_format === 'base64' ? packed : [...vector],
    }
  })
  return json({ object: 'list', data, model, usage: { prompt_tokens: 4, total_tokens: 4 } })
}

const moderate: Endpoint = (request) => {
  const { model, input } = bodyOf<{ model: string; input: string[] }>(request)
  const results = input.map((text) => ({ flagged: text.includes('kill') }))
  return json({ id: 'modr-mock', model, results })
}

const editImage: Endpoint = async (request) => {
  const { text, content } = await formOf(request)
  const edited = Buffer.from(`${text('prompt')} ${content.toString('hex')}`)
  return json({ created: CREATED, data: [{ b64_json: edited.toString('base64') }] })
}

const speak: Endpoint = (request) => {
  const { input } = bodyOf<{ input: string }>(request)
  return bytes(
    'audio/mpeg',
    [...input].map((_, i) => noise(4000 + i))
  )
}

const createJob: Endpoint = (request) =>
  json({ id: 'ftjob-1', object: 'fine_tuning.job', ...bodyOf<object>(request) })

/** Files of one account. Ids come from content, so that the same calls get the same answers. */
const fileEndpoints = (): [string, Endpoint][] => {
  const files = new Map<string, { object: Record<string, unknown>; content: Buffer }>()
  const upload = async (request: Parameters<Endpoint>[0]): Promise<Answer> => {
    const { text, filename, content } = await formOf(request)
    const id = `file-${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
    const object = { id, object: 'file', bytes: content.length, filename, purpose: text('purpose') }
    files.set(id, { object, content })
    return json(object)
  }
  const list = () =>
    json({ data: [...files.values()].map(({ object }) => object), has_more: false })
  return [
    ['POST /v1/files', upload],
    ['GET /v1/files', list],
    [
      'GET /v1/files/*/content',
      (_, id) => bytes('application/octet-stream', [files.get(id)!.content]),
    ],
    ['DELETE /v1/files/*', (_, id) => json({ id, object: 'file', deleted: files.delete(id) })],
  ]
}

export const restEndpoints = (): [string, Endpoint][] => [
  ['POST /v1/embeddings', embed],
  ['POST /v1/moderations', moderate],
  ['POST /v1/images/edits', editImage],
  ['POST /v1/audio/speech', speak],
  ['GET /v1/models', () => json({ object: 'list', data: MODELS })],
  ['GET /v1/models/*', (_, id) => json(requireModel(id))],
  ['POST /v1/fine_tuning/jobs', createJob],
  ...fileEndpoints(),
]
