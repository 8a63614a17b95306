/**
 * Work that another process asks of the running worker, kept in the store until the asker has read the
 * reply. Only one process does the worker's work, so a command hands its work over while the proxy runs.
 */
import { randomUUID } from 'node:crypto'
import type { Verdict } from '../core/gate/gate.ts'
import type { ErrorCode } from '../errors.ts'
import { readJsonSnapshot, saveJsonSnapshot } from '../store/json-snapshot.ts'
import type { Store } from '../store/store.ts'
import { forgetTasks } from './forget-task.ts'

export type WorkerRequest =
  /** read the log up to this sequence and search for templates */
  { kind: 'detect'; upTo: number } | { kind: 'evaluate'; internalization: string }

export type WorkerReply =
  | { kind: 'detected' }
  | { kind: 'evaluated'; verdict: Verdict }
  | { kind: 'failed'; code: ErrorCode; message: string }

interface Stored {
  request: WorkerRequest
  /** milliseconds since the epoch */
  askedAt: number
  /** what was done so far, in units of the request */
  done: number
  reply: WorkerReply | null
}

export interface OpenRequest extends Stored {
  name: string
}

const PREFIX = 'worker-request:'
/** The worker as it started last. */
const WORKER = 'worker'
/** A reply that is older was left by an asker that was killed. */
const MAX_AGE_MS = 86_400_000

/** @returns the name of the request */
export const askWorker = async (
  store: Store,
  request: WorkerRequest,
  now: number
): Promise<string> => {
  const name = `${PREFIX}${randomUUID()}`
  const stored: Stored = { request, askedAt: now, done: 0, reply: null }
  await saveJsonSnapshot(store, name, stored)
  return name
}

/** @returns null when it was removed */
export const readRequest = async (store: Store, name: string): Promise<OpenRequest | null> => {
  const stored = await readJsonSnapshot<Stored>(store, name)
  return stored && { name, ...stored }
}

/** The requests without a reply. Removes those that are older than a day. */
export const openRequests = async (store: Store, now: number): Promise<OpenRequest[]> => {
  const open: OpenRequest[] = []
  for (const name of await store.snapshots.names(PREFIX)) {
    const request = await readRequest(store, name)
    if (request === null) continue
    if (now - request.askedAt > MAX_AGE_MS) await store.snapshots.remove(name)
    else if (request.reply === null) open.push(request)
  }
  return open
}

/** Names of all that a worker is asked to do. */
export const askedOfWorker = async (store: Store, now: number): Promise<string[]> => [
  ...(await openRequests(store, now)).map(({ name }) => name),
  ...(await forgetTasks(store)),
]

export const updateRequest = (store: Store, { name, ...stored }: OpenRequest): Promise<void> =>
  saveJsonSnapshot(store, name, stored)

/** For the asker, after it has read the reply. */
export const removeRequest = ({ snapshots }: Store, name: string): Promise<void> =>
  snapshots.remove(name)

/** @param engine name of the worker's engine; null without one */
export const noteWorker = (store: Store, engine: string | null): Promise<void> =>
  saveJsonSnapshot(store, WORKER, { engine })

/** Whether the worker that started last has an engine. */
export const workerHasEngine = async (store: Store): Promise<boolean> => {
  const noted = await readJsonSnapshot<{ engine: string | null }>(store, WORKER)
  return noted !== null && noted.engine !== null
}
