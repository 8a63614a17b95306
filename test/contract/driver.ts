/** Calls of the suites to an engine: by the official client, or raw where the client has no method. */
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI, { APIError, toFile } from 'openai'
import type { JobObject, TrainingRow } from '../../src/openai/fine-tuning.ts'

export interface RunningEngine {
  /** ends in `/v1` */
  baseUrl: string
  token: string
  close(): Promise<void>
}

const POLL_MS = 20
/** Long, because an engine that trains in a process of its own loads its libraries for every job. */
const DEADLINE_MS = 120_000

export const until = async <Value>(
  read: () => Promise<Value>,
  good: (value: Value) => boolean,
  deadlineMs = DEADLINE_MS
): Promise<Value> => {
  const deadline = Date.now() + deadlineMs
  for (;;) {
    const value = await read()
    if (good(value)) return value
    if (Date.now() > deadline) throw new Error(`still ${JSON.stringify(value)}`)
    await sleep(POLL_MS)
  }
}

/** @throws Error where nothing fails, and what fails otherwise than by an error of the API */
export const failureOf = async (promise: PromiseLike<unknown>): Promise<APIError> => {
  try {
    await promise
  } catch (error) {
    if (error instanceof APIError) return error
    throw error
  }
  throw new Error('expected an error')
}

export const createDriver = (engine: RunningEngine) => {
  const client = new OpenAI({ baseURL: engine.baseUrl, apiKey: engine.token, maxRetries: 0 })
  const authorization = `Bearer ${engine.token}`
  const uploadText = async (text: string): Promise<string> => {
    const file = await toFile(Buffer.from(text), 'rows.jsonl')
    return (await client.files.create({ file, purpose: 'fine-tune' })).id
  }
  const upload = (rows: TrainingRow[]): Promise<string> =>
    uploadText(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const createJob = (body: object): Promise<JobObject> => client.post('/fine_tuning/jobs', { body })
  const jobIs = (id: string, statuses: string[], deadlineMs?: number): Promise<JobObject> =>
    until(
      () => client.get<JobObject>(`/fine_tuning/jobs/${id}`),
      (job) => statuses.includes(job.status),
      deadlineMs
    )
  const finished = (id: string, deadlineMs?: number) =>
    jobIs(id, ['succeeded', 'failed', 'cancelled'], deadlineMs)
  const post = (path: string, body: unknown) =>
    fetch(`${engine.baseUrl}${path}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  const get = async (path: string): Promise<unknown> =>
    (await fetch(`${engine.baseUrl}${path}`, { headers: { authorization } })).json()
  const events = async (id: string) =>
    (await client.fineTuning.jobs.listEvents(id, { limit: 100 })).data
  return { client, upload, uploadText, createJob, jobIs, finished, post, get, events, engine }
}

export type Driver = ReturnType<typeof createDriver>
