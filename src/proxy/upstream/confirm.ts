/**
 * Asks an upstream whether it accepts a request's credentials, without a completion: it lists its models with them,
 * and refuses to without any. A public list tells nothing about credentials.
 */
import type { IncomingMessage } from 'node:http'
import type { SetTimer } from '../../timers.ts'
import { isSuccess } from '../../core/http-status.ts'
import { withoutHeaders } from '../headers.ts'
import { Capture } from './capture.ts'
import { collectFrom } from './collect.ts'
import type { Upstream } from './upstream.ts'

/** `unknown`: the upstream's answer does not tell; `away`: there was none, or a server error. */
export type Confirmation = 'accepted' | 'refused' | 'unknown' | 'away'

/** The list is short work for an upstream; a client waits meanwhile. */
const LIST_MS = 10_000
/** 400 is how Google answers an invalid key. */
const REFUSALS = new Set([400, 401, 402, 403])
/** The status of an answer, whose body is not kept; 0 where none came. */
const listStatus = async (
  upstream: Pick<Upstream, 'ask'>,
  rawHeaders: string[],
  query: string,
  setTimer: SetTimer
): Promise<number> => {
  const capture = new Capture(0, () => 0)
  const late = new AbortController()
  const asked = { method: 'GET', url: `/v1/models${query}`, rawHeaders, headers: {} }
  const cancel = setTimer(LIST_MS, () => late.abort(new Error('the upstream does not answer')))
  // a body that is too long for the capture ends it: the status is known then
  await collectFrom(upstream, null)(asked, null, capture, late.signal).catch(() => {})
  cancel()
  return capture.status
}

/**
 * @param upstream that gets the credentials of its callers
 * @param incoming whose headers and query hold the credentials
 */
export const confirmCredentials = async (
  upstream: Pick<Upstream, 'ask'>,
  { rawHeaders, url = '' }: Pick<IncomingMessage, 'rawHeaders' | 'url'>,
  setTimer: SetTimer
): Promise<Confirmation> => {
  const at = url.indexOf('?')
  const query = at < 0 ? '' : url.slice(at)
  // without those that describe the body
  const headers = withoutHeaders(rawHeaders, (name) => name.startsWith('content-'))
  const status = await listStatus(upstream, headers, query, setTimer)
  if (status === 0 || status >= 500) return 'away'
  if (REFUSALS.has(status)) return 'refused'
  if (!isSuccess(status)) return 'unknown'
  const open = await listStatus(upstream, [], '', setTimer)
  return isSuccess(open) ? 'unknown' : 'accepted'
}
