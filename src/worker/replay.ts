/** Held-out requests asked of the upstream once more, with a key of the operator's. */
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import { findUpstream, type NamedUpstream } from '../core/upstream-choice.ts'
import type { ReplayUpstream } from './deps.ts'

const REPLAY_TIMEOUT_MS = 120_000

export interface ReplayOptions {
  /** of all that no entry is for; without a key those are not replayed */
  standard: { baseUrl: string; apiKey: string | null }
  upstreams: readonly NamedUpstream[]
  fetch: typeof fetch
  fault: ReportFault<WorkerFault>
}

const ask = async (
  fetch: ReplayOptions['fetch'],
  { baseUrl, apiKey }: { baseUrl: string; apiKey: string },
  request: Record<string, unknown>
): Promise<string | null> => {
  const response = await fetch(`${baseUrl}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body: JSON.stringify({ ...request, stream: false }),
    signal: AbortSignal.timeout(REPLAY_TIMEOUT_MS),
  })
  return response.ok ? await response.text() : null
}

/**
 * Null on any failure, since the gate can do without. A request goes where its model's requests go,
 * and with no other upstream's key.
 * @returns null where there is no key at all
 */
export const createReplay = ({
  standard,
  upstreams,
  fetch,
  fault,
}: ReplayOptions): ReplayUpstream | null => {
  const hasKey = [standard, ...upstreams].some(({ apiKey }) => apiKey !== null)
  if (!hasKey) return null
  return async (requestBody) => {
    const { stream_options: _, ...request } = JSON.parse(requestBody) as Record<string, unknown>
    const { baseUrl, apiKey } = findUpstream(upstreams, String(request['model'])) ?? standard
    if (apiKey === null) return null
    try {
      return await ask(fetch, { baseUrl, apiKey }, request)
    } catch (error) {
      fault('replay', error, { host: new URL(baseUrl).host })
      return null
    }
  }
}
