/**
 * Asks an upstream whether it accepts a request's credentials, without a completion: it lists its models with them,
 * and refuses to without any. A public list tells nothing about credentials.
 */
import type { IncomingMessage } from 'node:http'
import type { Dispatcher } from 'undici'
import type { SetTimer } from '../../timers.ts'
import type { Upstream } from './upstream.ts'
import { isSuccess } from '../../core/http-status.ts'

/** `unknown`: the upstream's answer does not tell; `away`: there was none, or a server error. */
export type Confirmation = 'accepted' | 'refused' | 'unknown' | 'away'

/** The list is short work for an upstream; a client waits meanwhile. */
const LIST_MS = 10_000
/** 400 is how Google answers an invalid key. */
const REFUSALS = new Set([400, 401, 402, 403])
const ENOUGH = new Error('the status is known')

/** The final status of an answer, whose body is not read. */
class StatusReader implements Dispatcher.DispatchHandler {
  private readonly done: (status: number | null) => void
  private controller: Dispatcher.DispatchController | null = null

  /** @param done gets the status; null where none came */
  constructor(done: (status: number | null) => void) {
    this.done = done
  }

  stop(): void {
    this.controller?.abort(ENOUGH)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
  }

  onResponseStart(_controller: unknown, status: number): void {
    if (status < 200) return
    this.done(status)
    this.stop()
  }

  onResponseError(): void {
    this.done(null)
  }
}

/** Headers of a request without those that describe its body. */
const withoutBody = (raw: readonly string[]): string[] =>
  raw.filter((_text, at) => !/^content-/i.test(raw[at - (at % 2)] ?? ''))

const listStatus = (
  upstream: Pick<Upstream, 'ask'>,
  rawHeaders: string[],
  query: string,
  setTimer: SetTimer
): Promise<number | null> =>
  new Promise((resolve) => {
    const reader = new StatusReader((status) => {
      cancel()
      resolve(status)
    })
    const cancel = setTimer(LIST_MS, () => {
      reader.stop()
      resolve(null)
    })
    upstream.ask(
      { method: 'GET', url: `/v1/models${query}`, rawHeaders, headers: {} },
      null,
      null,
      reader
    )
  })

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
  const status = await listStatus(upstream, withoutBody(rawHeaders), query, setTimer)
  if (status === null || status >= 500) return 'away'
  if (REFUSALS.has(status)) return 'refused'
  if (!isSuccess(status)) return 'unknown'
  const open = await listStatus(upstream, [], '', setTimer)
  return open !== null && isSuccess(open) ? 'unknown' : 'accepted'
}
