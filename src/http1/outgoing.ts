/** What the hot path asks of an answer on its way: Node's own, or the plain one. */
import type { ServerResponse } from 'node:http'

export type Outgoing = Pick<
  ServerResponse,
  | 'headersSent'
  | 'writableEnded'
  | 'writableFinished'
  | 'writableNeedDrain'
  | 'destroyed'
  | 'sendDate'
  | 'shouldKeepAlive'
  | 'write'
> & {
  /** null while an earlier answer of the connection is still on its way */
  readonly socket: Pick<NonNullable<ServerResponse['socket']>, 'write'> | null
  /** of the request that is answered; `complete` when its body is there */
  readonly req: { readonly httpVersion: string; readonly complete: boolean }
  writeHead(status: number, headers: string[]): unknown
  writeHead(status: number, statusText: string, headers: string[]): unknown
  end(chunk?: string | Buffer): unknown
  flushHeaders(): void
  cork(): void
  uncork(): void
  addTrailers(trailers: [string, string][]): void
  destroy(): unknown
  on(event: 'close' | 'drain' | 'error', listener: () => void): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  emit(event: 'close'): boolean
}
