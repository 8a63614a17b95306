/** One chat completion on its way through the proxy. */
import type { RequestHead } from '../http1/plain-head.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { Client } from './client.ts'
import type { Charge } from './limits.ts'

/** What the log needs to know of a request. */
export interface Exchange {
  id: string
  /** milliseconds since the epoch */
  at: number
  tenant: string
  path: string
  /** '' when the body is no chat request */
  model: string
  streamed: boolean
  /** whether the log gets it */
  isCaptured: boolean
  /** the original bytes, for the upstream (invariant 3) and the log */
  body: Buffer
}

/** A request that was received whole. */
export interface Received {
  incoming: RequestHead
  client: Client
  /** when the last byte of the body was there, milliseconds since the epoch */
  completeAt: number
  exchange: Exchange
  /** null when no template can be in it, or when it is no chat request: the upstream's to refuse */
  request: ChatRequest | null
  /** what it holds of its key's limits; null where nothing is counted */
  charge: Charge | null
}

/** A request that a live template was found in. */
export interface Recognized extends Received {
  /** our own time from the complete request until it was found, milliseconds */
  overheadMs: number
}

/** How an exchange with the upstream ended. */
export type ExchangeEnd = 'complete' | 'client-gone' | 'upstream-failed'
