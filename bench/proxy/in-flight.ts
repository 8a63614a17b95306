/**
 * Part `in-flight`: 2,000 requests of 1 MB each before the first of them is answered. Bodies up to
 * the limit are held, the others must be streamed on; what memory that takes at most.
 */
import { once } from 'node:events'
import { request, type ClientRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { residentMiB, type Target } from '../load/processes.ts'
import type { ProductStats } from '../load/server.ts'
import { CHAT_PATH, requestBody } from '../load/traffic.ts'
import { log, type Part } from './part.ts'
import { startOurs } from './targets.ts'

const REQUESTS = 2000
const KILOBYTES = 1024
/** The upstream answers when so many have arrived, and gives up long before this. */
const TIMEOUT_MS = 120_000

const statusOf = async (sent: ClientRequest): Promise<number> => {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode ?? 0
}

/** All requests share one buffer, so that this process's memory does not count. */
const askAll = (target: Target, count: number): Promise<PromiseSettledResult<number>[]> => {
  const body = Buffer.from(requestBody({ kilobytes: KILOBYTES }))
  const headers = {
    ...target.headers,
    'content-length': body.length,
    'x-bench-answer': `hold=${count}`,
  }
  const ask = (): Promise<number> => {
    const sent = request({
      host: '127.0.0.1',
      port: target.port,
      path: CHAT_PATH,
      method: 'POST',
      headers,
      agent: false,
      timeout: TIMEOUT_MS,
    })
    sent.on('timeout', () => sent.destroy(new Error('no answer')))
    sent.end(body)
    return statusOf(sent)
  }
  return Promise.allSettled(Array.from({ length: count }, ask))
}

/** A process of its own, so that its peak contains no other memory. */
export const inFlight: Part = async ({ settings: { folder }, script, upstream }, add) => {
  const ours = await startOurs(script, upstream, join(folder, 'in-flight'))
  let isRunning = true
  try {
    const before = residentMiB(ours)
    const answers = await askAll(ours, REQUESTS)
    const peak = residentMiB(ours, 'peak')
    isRunning = false
    const { outcomes } = JSON.parse(await ours.stop()) as ProductStats
    const answered = answers.filter((one) => one.status === 'fulfilled' && one.value === 200).length
    log(`in flight: ${answered} of ${REQUESTS} answered, peak ${peak.toFixed(0)} MiB`)
    add({
      in_flight_peak_resident_mib: { value: peak, unit: 'MiB' },
      in_flight_resident_before_mib: { value: before, unit: 'MiB' },
      in_flight_bodies_mib: { value: (REQUESTS * KILOBYTES) / 1024, unit: 'MiB' },
      in_flight_answered: {
        value: answered,
        unit: 'requests',
        bar: `>= ${REQUESTS}`,
        holds: answered >= REQUESTS,
      },
      in_flight_unread: { value: outcomes.unread ?? 0, unit: 'requests' },
    })
  } finally {
    if (isRunning) await ours.stop()
  }
}
