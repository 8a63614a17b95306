/**
 * The engine contract over an injected `fetch`. It keeps no state between calls: its callers remember
 * that an engine is away.
 */
import { AppError } from '../errors.ts'
import type { ChatChunk, ChatCompletion } from '../openai/chat.ts'
import type { ErrorBody } from '../openai/error-body.ts'
import { EventReader } from '../openai/event-reader.ts'
import type {
  FileObject,
  JobEvent,
  JobObject,
  LossResponse,
  ModelObject,
} from '../openai/fine-tuning.ts'
import type { Engine, GeneratedDelta } from './engine.ts'
import { type Call, type CallDeps, type CallOptions, createCall, failure } from './call.ts'

export interface EngineOptions extends Omit<CallDeps, 'timeoutMs'> {
  /** of calls that do not run the model; default 30 s */
  timeoutMs?: number
  /** a whole completion; in a stream, the first token and each pause; default 2 min */
  generationTimeoutMs?: number
}

interface List<Item> {
  data: Item[]
  has_more?: boolean
}

const PAGE_SIZE = 100
/** Of uploads, job creation (the engine checks every row) and losses. */
const LONG = { timeoutMs: 600_000 }
/** Messages are rare, so the newest metrics are among this many events. */
const NEWEST_EVENTS = 10

const jobPath = (id: string, part = ''): string =>
  `/fine_tuning/jobs/${encodeURIComponent(id)}${part}`

/** Reads all pages of a list. */
const listAll = async <Item extends { id: string }>(
  call: Call,
  path: string,
  query: [string, string][],
  after?: string
): Promise<Item[]> => {
  const items: Item[] = []
  let last = after
  for (;;) {
    const cursor: [string, string][] = last === undefined ? [] : [['after', last]]
    const search = new URLSearchParams([...query, ['limit', String(PAGE_SIZE)], ...cursor])
    const { data, has_more } = await call.json<List<Item>>(`${path}?${search}`)
    items.push(...data)
    last = data.at(-1)?.id
    if (!has_more || last === undefined) return items
  }
}

/** @returns null for an empty chunk. The last chunks have no text, but a finish reason and the usage. */
const deltaOf = (chunk: ChatChunk): GeneratedDelta | null => {
  const choice = chunk.choices[0]
  const text = typeof choice?.delta.content === 'string' ? choice.delta.content : ''
  const logprobs = choice?.logprobs?.content ?? []
  const finishReason = choice?.finish_reason ?? null
  const usage = chunk.usage ?? null
  const isEmpty = text === '' && logprobs.length === 0 && finishReason === null && usage === null
  return isEmpty ? null : { text, logprobs, finishReason, usage }
}

/** The data of each event. */
async function* readEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let read: string[] = []
  const events = new EventReader((data) => read.push(data))
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    events.push(text)
    yield* read
    read = []
  }
}

/**
 * The deltas of an event stream. When the connection closes before `[DONE]`, the engine has died.
 * @throws AppError `engine-unavailable` then, and for an error event
 */
async function* readDeltas(
  name: string,
  body: ReadableStream<Uint8Array>
): AsyncGenerator<GeneratedDelta> {
  for await (const data of readEvents(body)) {
    if (data === '[DONE]') return
    const chunk = JSON.parse(data) as ChatChunk | ErrorBody
    if ('error' in chunk)
      throw new AppError(
        'engine-unavailable',
        `engine ${name} ended the stream with an error: ${(chunk as ErrorBody).error.message}`
      )
    const delta = deltaOf(chunk)
    if (delta) yield delta
  }
  throw new AppError('engine-unavailable', `engine ${name} closed the stream before its end`)
}

const streamCompletion = async function* (
  call: Call,
  body: object,
  options: CallOptions
): AsyncGenerator<GeneratedDelta> {
  const opened = await call.open('/chat/completions', { method: 'POST', body }, options)
  try {
    if (!opened.response.body)
      throw new AppError('engine-unavailable', `engine ${call.engine} sent no stream`)
    for await (const delta of readDeltas(call.engine, opened.response.body)) {
      opened.alive()
      yield delta
      // the time that the reader takes does not count
      opened.alive()
    }
  } catch (error) {
    throw failure(call.engine, error, opened)
  } finally {
    // also when the reader leaves early: the engine must stop generating
    opened.close()
  }
}

const jobMethods = (call: Call) =>
  ({
    createJob: (request) =>
      call.json<JobObject>('/fine_tuning/jobs', { method: 'POST', body: request }, LONG),
    getJob: (id) => call.json<JobObject>(jobPath(id)),
    findJobs: (metadata) =>
      listAll<JobObject>(
        call,
        '/fine_tuning/jobs',
        Object.entries(metadata).map(([key, value]) => [`metadata[${key}]`, value])
      ),
    jobEvents: (id, after) =>
      listAll<JobEvent>(call, jobPath(id, '/events'), [['order', 'asc']], after),
    async jobProgress(id) {
      const path = jobPath(id, `/events?limit=${NEWEST_EVENTS}`)
      const { data } = await call.json<List<JobEvent>>(path)
      return {
        message: data[0]?.message ?? null,
        metrics: data.find((event) => event.type === 'metrics')?.data ?? null,
      }
    },
    cancelJob: (id) => call.json<JobObject>(jobPath(id, '/cancel'), { method: 'POST', body: {} }),
  }) satisfies Partial<Engine>

/** No method retries. */
export const createEngine = (options: EngineOptions): Engine => {
  const { name, timeoutMs = 30_000, generationTimeoutMs = 120_000 } = options
  const call = createCall({ ...options, timeoutMs })
  const post = <Result>(path: string, body: unknown, callOptions?: CallOptions) =>
    call.json<Result>(path, { method: 'POST', body }, callOptions)

  return {
    name,
    models: async () => (await call.json<List<ModelObject>>('/models')).data,
    async uploadRows(rows, filename) {
      const form = new FormData()
      form.set('purpose', 'fine-tune')
      form.set('file', new Blob(rows.map((row) => `${JSON.stringify(row)}\n`)), filename)
      return (await post<FileObject>('/files', form, LONG)).id
    },
    files: () => listAll<FileObject>(call, '/files', []),
    async deleteFile(id) {
      await call.json(`/files/${encodeURIComponent(id)}`, { method: 'DELETE' })
    },
    ...jobMethods(call),
    complete: (request, { signal } = {}) =>
      post<ChatCompletion>(
        '/chat/completions',
        { ...request, stream: false },
        {
          timeoutMs: generationTimeoutMs,
          signal,
        }
      ),
    stream: (request, { signal } = {}) =>
      streamCompletion(
        call,
        { ...request, stream: true },
        { timeoutMs: generationTimeoutMs, signal }
      ),
    loss: (model, rows) => post<LossResponse>('/loss', { model, rows }, LONG),
    async countTokens(model, input) {
      const body = typeof input === 'string' ? { model, prompt: input } : { model, messages: input }
      return (await post<{ count: number }>('/tokenize', body)).count
    },
    async deleteModel(id) {
      await call.json(`/models/${encodeURIComponent(id)}`, { method: 'DELETE' })
    },
  }
}
