/** Sends held-out requests to the upstream again, with the operator's keys. */
import { AppError } from '../errors.ts'
import type { ReportFault, WorkerFault } from '../fault-log.ts'
import { readChatRequest } from '../core/request/chat-reading.ts'
import { PLAIN } from '../core/request/envelope.ts'
import { findUnlimitedMember } from '../core/request/limited-members.ts'
import { isSuccess } from '../core/http-status.ts'
import { findUpstream, type NamedUpstream } from '../core/upstream-choice.ts'
import { dialectOfRecord, type Dialect } from '../openai/dialect.ts'
import type { AskUpstream, ReplayUpstream, UpstreamAnswer } from './deps.ts'
import { textWithin } from '../text-within.ts'

const REPLAY_TIMEOUT_MS = 120_000
/** Of an answer without compression; the longest of a model has a million tokens. */
const MAX_ANSWER_BYTES = 32 * 2 ** 20

export interface ReplayOptions {
  /** for models without an entry in `upstreams`; with a null key, they are not replayed */
  standard: { baseUrl: string; apiKey: string | null }
  upstreams: readonly NamedUpstream[]
  fetch: typeof fetch
  fault: ReportFault<WorkerFault>
}

const ask = async (
  fetch: ReplayOptions['fetch'],
  { url, apiKey, request }: { url: string; apiKey: string; request: Record<string, unknown> }
): Promise<UpstreamAnswer> => {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}` },
    body: JSON.stringify(request),
    // an upstream would choose which address of this network is asked, with the question
    redirect: 'manual',
    signal: AbortSignal.timeout(REPLAY_TIMEOUT_MS),
  })
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  return {
    status: response.status,
    body: await textWithin(response, MAX_ANSWER_BYTES),
    retryAfterMs: Number.isFinite(seconds) ? 1_000 * seconds : null,
  }
}

/** Whether a caller's request would take the operator's key to another model, host or resource. */
const leadsElsewhere = (body: string, dialect: Dialect): boolean => {
  const { outcome } = readChatRequest(Buffer.from(body), dialect)
  return typeof outcome !== 'string' && findUnlimitedMember(outcome.request) !== null
}

type Asked = Parameters<ReplayUpstream>[0]

type UpstreamsWithKeys = Pick<ReplayOptions, 'standard' | 'upstreams'>

/** @returns where and what to ask; null where the operator's key must not go */
const askedAgain = (
  { path, envelope = PLAIN, request: body }: Asked,
  { standard, upstreams }: UpstreamsWithKeys
): { url: string; apiKey: string; request: Record<string, unknown> } | null => {
  // a caller's headers could take the operator's key elsewhere, and without them it is another question
  if (envelope !== PLAIN) return null
  const { stream_options: _, ...request } = JSON.parse(body) as Record<string, unknown>
  const dialect = dialectOfRecord({ path })
  const { baseUrl, apiKey } = findUpstream(upstreams, String(request['model'])) ?? standard
  if (apiKey === null || leadsElsewhere(body, dialect)) return null
  const url = `${baseUrl}${dialect.pathBelowBase}`
  return { url, apiKey, request: { ...request, ...dialect.askedAgain } }
}

const hasKey = ({ standard, upstreams }: UpstreamsWithKeys): boolean =>
  [standard, ...upstreams].some(({ apiKey }) => apiKey !== null)

/** @returns null when no upstream has a key */
export const createAsk = (options: Omit<ReplayOptions, 'fault'>): AskUpstream | null =>
  hasKey(options)
    ? async (asked) => {
        const again = askedAgain(asked, options)
        return again && ask(options.fetch, again)
      }
    : null

/**
 * A replay goes to the upstream of the request's model, with that upstream's key. It gives null on any
 * failure, because the gate works without replays.
 * @returns null when no upstream has a key
 */
export const createReplay = (options: ReplayOptions): ReplayUpstream | null => {
  if (!hasKey(options)) return null
  return async (asked) => {
    const again = askedAgain(asked, options)
    if (again === null) return null
    try {
      const { status, body } = await ask(options.fetch, again)
      if (isSuccess(status)) return body
      throw new AppError(
        'upstream-unavailable',
        `the upstream answered a repeated request with ${status}`
      )
    } catch (error) {
      options.fault('replay', error, { host: new URL(again.url).host })
      return null
    }
  }
}
