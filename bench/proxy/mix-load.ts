/** All kinds of clients at once: some wait, some leave, some read slowly. */
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Target } from '../load/processes.ts'
import { CHAT_PATH, requestBody, SERIAL } from '../load/traffic.ts'

const BODY = requestBody({ kilobytes: 8 })
const STREAM_BODY = requestBody({ kilobytes: 8, stream: true })
const LARGE_BODY = requestBody({ kilobytes: 1024 })
const SLOW_PAUSE_MS = 2
const STREAM = 'chunks=40&everyMs=5'

interface Kind {
  body: string
  /** for the upstream */
  answer: string
  use: (sent: ClientRequest) => Promise<void>
}

const responseTo = (sent: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => sent.on('response', resolve).on('error', reject))

/** @throws when the answer breaks off */
const ended = (response: IncomingMessage): Promise<void> =>
  new Promise((resolve, reject) => response.on('end', resolve).on('error', reject))

const readAll = async (sent: ClientRequest): Promise<void> => {
  const response = await responseTo(sent)
  response.resume()
  await ended(response)
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`)
}

/** Piece by piece with pauses, so that the server has to wait for its client. */
const readSlowly = async (sent: ClientRequest): Promise<void> => {
  const response = await responseTo(sent)
  response.on('data', () => {
    response.pause()
    setTimeout(() => response.resume(), SLOW_PAUSE_MS)
  })
  await ended(response)
}

const leaveBefore = async (sent: ClientRequest): Promise<void> => {
  sent.on('error', () => {})
  await delay(15)
  sent.destroy()
}

const leaveAfter = async (sent: ClientRequest): Promise<void> => {
  const response = await responseTo(sent)
  response.on('error', () => {})
  await new Promise((resolve) => response.once('data', resolve))
  response.destroy()
}

const KINDS: Record<string, Kind> = {
  whole: { body: BODY, answer: 'delayMs=5', use: readAll },
  streamed: { body: STREAM_BODY, answer: STREAM, use: readAll },
  leaves_before: { body: BODY, answer: 'delayMs=200', use: leaveBefore },
  leaves_stream_before: { body: STREAM_BODY, answer: 'delayMs=200', use: leaveBefore },
  leaves_stream_after: { body: STREAM_BODY, answer: STREAM, use: leaveAfter },
  leaves_large_after: { body: BODY, answer: 'bytes=1000000', use: leaveAfter },
  reads_slowly: { body: BODY, answer: 'bytes=1000000', use: readSlowly },
  sends_large: { body: LARGE_BODY, answer: 'delayMs=5', use: readAll },
}

/** Clients of each kind at the same time. */
const CLIENTS_PER_KIND = 4
/** Between two requests of a client, so that no kind crowds the others out. */
const PAUSE_MS = 10

export interface MixCounts {
  requests: number
  failed: number
}

/** Runs until the signal; a failure is counted, not thrown. */
export const runMix = async (
  target: Target,
  signal: AbortSignal
): Promise<Record<string, MixCounts>> => {
  let serial = 0
  const ask = ({ body, answer, use }: Kind): Promise<void> => {
    const sent = request({
      host: '127.0.0.1',
      port: target.port,
      path: CHAT_PATH,
      method: 'POST',
      headers: { ...target.headers, 'x-bench-answer': answer },
      agent: false,
    })
    sent.end(body.replace(SERIAL, String(++serial).padStart(SERIAL.length, '0')))
    return use(sent)
  }
  const counts: Record<string, MixCounts> = {}
  const beClient = async (name: string, kind: Kind): Promise<void> => {
    const count = (counts[name] ??= { requests: 0, failed: 0 })
    while (!signal.aborted) {
      count.requests++
      await ask(kind).catch(() => count.failed++)
      await delay(PAUSE_MS)
    }
  }
  const clients = Object.entries(KINDS).flatMap(([name, kind]) =>
    Array.from({ length: CLIENTS_PER_KIND }, () => beClient(name, kind))
  )
  await Promise.all(clients)
  return counts
}
