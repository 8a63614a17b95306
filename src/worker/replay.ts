/** Sends held-out requests to the upstream again, with the operator's keys. */
import { AppError } from '../errors.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import { readChatRequest } from '../core/request/chat-reading.ts'
import { PLAIN } from '../core/request/envelope.ts'
import { findUnlimitedMember } from '../core/request/limited-members.ts'
import { findUpstream, type NamedUpstream } from '../core/upstream-choice.ts'
import { dialectOfRecord, type Dialect } from '../openai/dialect.ts'
import type { ReplayUpstream } from './deps.ts'

const REPLAY_TIMEOUT_MS = 120_000

export interface ReplayOptions {
  /** for models without an entry in `upstreams`; with a null key, they are not replayed */
  standard: { baseUrl: string; apiKey: string | null }
  upstreams: readonly NamedUpstream[]
  fetch: typeof fetch
  fault: ReportFault<WorkerFault>
}

const ask = async (
  fetch: ReplayOptions['fetch'],
  url: string,
  apiKey: string,
  request: Record<string, unknown>
): Promise<string> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body: JSON.stringify(request),
    signal: AbortSignal.timeout(REPLAY_TIMEOUT_MS),
  })
  if (response.ok) return await response.text()
  await response.body?.cancel()
  throw new AppError(
    'upstream-unavailable',
    `the upstream answered a repeated request with ${response.status}`
  )
}

/** Whether a caller's request would take the operator's key to another model, host or resource. */
const leadsElsewhere = (body: string, dialect: Dialect): boolean => {
  const { outcome } = readChatRequest(Buffer.from(body), dialect)
  return typeof outcome !== 'string' && findUnlimitedMember(outcome.request) !== null
}

/**
 * A replay goes to the upstream of the request's model, with that upstream's key. It gives null on any
 * failure, because the gate works without replays.
 * @returns null when no upstream has a key
 */
export const createReplay = ({
  standard,
  upstreams,
  fetch,
  fault,
}: ReplayOptions): ReplayUpstream | null => {
  const hasKey = [standard, ...upstreams].some(({ apiKey }) => apiKey !== null)
  if (!hasKey) return null
  return async ({ path, envelope = PLAIN, request: body }) => {
    // a caller's headers could take the operator's key elsewhere, and without them it is another question
    if (envelope !== PLAIN) return null
    const { stream_options: _, ...request } = JSON.parse(body) as Record<string, unknown>
    const dialect = dialectOfRecord({ path })
    const { pathBelowBase, askedAgain } = dialect
    const { baseUrl, apiKey } = findUpstream(upstreams, String(request['model'])) ?? standard
    if (apiKey === null || leadsElsewhere(body, dialect)) return null
    try {
      return await ask(fetch, `${baseUrl}${pathBelowBase}`, apiKey, { ...request, ...askedAgain })
    } catch (error) {
      fault('replay', error, { host: new URL(baseUrl).host })
      return null
    }
  }
}
