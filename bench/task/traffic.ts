/** The traffic of a task, sent until the proxy learns from it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ChatRequest } from '../../src/openai/chat.ts'
import { newestInternalization } from '../../test/kit/process/internalizations.ts'
import type { ProxyProcess } from '../../test/kit/process/proxy-process.ts'
import { sendAll } from '../../test/kit/traffic/send-all.ts'

export const TRAFFIC_LANES = 8
/** A template may leave some requests to the upstream, so there may have to be more traffic. */
const MORE_TRAFFIC = 0.05
/** how long the worker may take to read a batch of the log */
const CANDIDATE_MS = 20_000
/** how long it may take to read all of the log */
const LOG_MS = 600_000

const beginsSoon = async (proxy: ProxyProcess): Promise<boolean> => {
  const deadline = Date.now() + CANDIDATE_MS
  while (Date.now() < deadline) {
    if ((await newestInternalization(proxy)) !== null) return true
    await delay(1000)
  }
  return false
}

interface FoundTemplate {
  version: string
  stats: { requests: number }
}

/** The template with most requests, once the log has been read. */
const templateOfLog = async (proxy: ProxyProcess): Promise<FoundTemplate> => {
  const deadline = Date.now() + LOG_MS
  for (let before: FoundTemplate | undefined; Date.now() < deadline;) {
    await delay(CANDIDATE_MS / 4)
    const { data } = await proxy.admin<{ data: FoundTemplate[] }>('/templates')
    const found = data.toSorted((a, b) => b.stats.requests - a.stats.requests)[0]
    if (found !== undefined && found.stats.requests === before?.stats.requests) return found
    before = found
  }
  throw new Error('no template was found in the traffic')
}

/**
 * Sends all requests. Then starts the internalization of their template.
 * @param prepare what an operator says of the template before
 */
export const learnFromAll = async (
  proxy: ProxyProcess,
  requests: ChatRequest[],
  onSent: (sent: number) => void,
  prepare: (version: string) => Promise<void> = () => Promise.resolve()
): Promise<void> => {
  await sendAll(proxy.baseUrl, requests, { concurrency: TRAFFIC_LANES, onDone: onSent })
  const { version } = await templateOfLog(proxy)
  await prepare(version)
  await proxy.admin(`/templates/${version}/internalize`, { method: 'POST' })
}

/** Sends the first `wanted` requests, then more by and by until an internalization begins. */
export const sendTraffic = async (
  proxy: ProxyProcess,
  requests: ChatRequest[],
  wanted: number,
  onSent: (sent: number) => void
): Promise<void> => {
  let sent = 0
  do {
    const end = sent === 0 ? wanted : sent + Math.ceil(wanted * MORE_TRAFFIC)
    const batch = requests.slice(sent, end)
    await sendAll(proxy.baseUrl, batch, {
      concurrency: TRAFFIC_LANES,
      onDone: (done) => onSent(sent + done),
    })
    sent += batch.length
    if (await beginsSoon(proxy)) return
  } while (sent < requests.length)
  const { data } = await proxy.admin<{ data: unknown[] }>('/templates')
  throw new Error(
    `no internalization began after ${sent} requests; templates: ${JSON.stringify(data)}`
  )
}
