/** One logged exchange, as the proxy hands it over and the store keeps it. */
import type { Usage } from '../../openai/chat.ts'

/** What routing did with a request that matched a live template. */
export interface RouteOutcome {
  templateVersion: string
  lora: string
  /** `answered` by the lora, or `fallback` to the upstream for `reason` */
  outcome: 'answered' | 'fallback'
  reason: string | null
  /** of a fallback: the lora was asked, and its answer thrown away; absent in older records */
  asked?: boolean
  /** log-probability statistic the route decides by; null when no answer was finished */
  confidence: number | null
  /** prompt tokens that the upstream would have read and the lora did not, in the base tokenizer */
  promptTokensSaved: number
  /** money saved against the cached-input price of the price file; null without a price */
  savedUsd: number | null
}

export interface ExchangeRecord {
  id: string
  /** milliseconds since the epoch, when the request arrived */
  at: number
  tenant: string
  model: string
  path: string
  streamed: boolean
  /** HTTP status the client saw; 499 when the client went away */
  status: number
  firstByteMs: number | null
  durationMs: number
  /** request body as sent, UTF-8, its attachments apart (`attachments.ts`); '' over the log's limit */
  request: string
  /** chat completion (streams are accumulated) or error body as JSON text; null when none arrived */
  response: string | null
  usage: Usage | null
  route: RouteOutcome | null
}

/** A record without its bodies and what is read from them. */
export type RecordHead = Omit<ExchangeRecord, 'request' | 'response' | 'usage'>

/** A head as a list of values, in JSON half as long as with their names. */
export type PackedHead = [
  id: string,
  at: number,
  tenant: string,
  model: string,
  path: string,
  streamed: boolean,
  status: number,
  firstByteMs: number | null,
  durationMs: number,
  route: RouteOutcome | null,
]

export const packHead = (head: RecordHead): PackedHead => [
  head.id,
  head.at,
  head.tenant,
  head.model,
  head.path,
  head.streamed,
  head.status,
  head.firstByteMs,
  head.durationMs,
  head.route,
]

export const unpackHead = (packed: PackedHead): RecordHead => ({
  id: packed[0],
  at: packed[1],
  tenant: packed[2],
  model: packed[3],
  path: packed[4],
  streamed: packed[5],
  status: packed[6],
  firstByteMs: packed[7],
  durationMs: packed[8],
  route: packed[9],
})

/** A record as read back: with its place in the log and the template the worker found in it. */
export interface StoredRecord extends ExchangeRecord {
  /** strictly increasing; a cursor into the log */
  sequence: number
  templateVersion: string | null
  /** counted by a tokenizer where `usage` is null; only where it was asked for */
  estimatedUsage?: Usage | null
}
