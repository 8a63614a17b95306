/** One thread that owns a database: it is started, called by messages, and its end is told to all who wait. */
import type { Worker } from 'node:worker_threads'
import { AppError } from '../../errors.ts'
import type { Lease } from '../store.ts'
import {
  fromWireError,
  type Area,
  type Call,
  type Methods,
  type Opened,
  type Reply,
} from './messages.ts'

export type CallThread = (
  area: Area | null,
  method: string,
  parameters: unknown[],
  lease?: Lease
) => Promise<unknown>

export interface Channel {
  methods: Methods
  call: CallThread
}

/** Called once when the thread ends without being closed. */
export type OnDeath = (error: AppError) => void

interface Waiting {
  resolve: (value: unknown) => void
  reject: (error: AppError) => void
}

export const closedError = (): AppError => new AppError('store-unavailable', 'the store is closed')

const opened = (worker: Worker): Promise<Methods> =>
  new Promise((resolve, reject) => {
    const fail = (cause?: unknown): void =>
      reject(new AppError('store-unavailable', 'the store thread did not start', { cause }))
    worker.once('message', (message: Opened) => {
      if ('methods' in message) resolve(message.methods)
      else reject(fromWireError(message.error))
    })
    worker.once('error', fail)
    worker.once('exit', () => fail())
  })

const openCalls = (worker: Worker, onDeath: OnDeath): CallThread => {
  const waiting = new Map<number, Waiting>()
  let nextId = 0
  let isClosing = false
  let ended: AppError | null = null
  const end = (cause?: unknown): void => {
    if (ended !== null) return
    ended = isClosing
      ? closedError()
      : new AppError('store-unavailable', 'the store thread ended and is started again', { cause })
    // a call that was not answered may have been done: an append that is repeated is kept once
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
    if (!isClosing) onDeath(ended)
  }
  worker.on('message', (reply: Reply) => {
    const caller = waiting.get(reply.id)
    waiting.delete(reply.id)
    if ('error' in reply) caller?.reject(fromWireError(reply.error))
    else caller?.resolve(reply.value)
  })
  worker.on('error', end)
  worker.on('exit', () => end())
  return (area, method, parameters, lease) =>
    new Promise((resolve, reject) => {
      if (ended !== null || isClosing) return reject(ended ?? closedError())
      const call: Call = { id: nextId++, area, lease: lease ?? null, method, parameters }
      waiting.set(call.id, { resolve, reject })
      worker.postMessage(call, [])
      isClosing = area === null
    })
}

/** @throws AppError of the store, when it cannot be opened */
export const openChannel = async (worker: Worker, onDeath: OnDeath): Promise<Channel> => {
  const methods = await opened(worker)
  return { methods, call: openCalls(worker, onDeath) }
}
