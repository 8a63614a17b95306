/** One logged exchange, as the proxy hands it over and the store keeps it. */
import type { Usage } from '../../openai/chat.ts'

/** How a request that matched a live template was routed. */
export interface RouteOutcome {
  templateVersion: string
  lora: string
  /**
   * `answered` by the lora; `fallback`: the upstream answered, after the lora was asked and its answer was
   * not given; `skipped`: the upstream answered, and the lora was not asked
   */
  outcome: 'answered' | 'fallback' | 'skipped'
  /** null where the lora answered */
  reason: string | null
  /** log-probability statistic that the route decides by; null without a finished answer */
  confidence: number | null
  /** prompt tokens that the upstream would have read and the lora did not, in the base tokenizer */
  promptTokensSaved: number
  /** of an audited request: the route's `auditPart`; absent: 1 */
  auditPart?: number
  /**
   * that decides whose side it is on (`sideOf`), the same for all turns of a conversation; absent where each
   * request draws its own, and before one was drawn
   */
  position?: number
}

/** An answer that a move to another model has bought; it is no client's traffic, and no counter takes it as such. */
export interface Bought {
  /** id of the client's record whose request was sent again */
  of: string
  /** milliseconds since the epoch, when the answer was bought */
  at: number
  /** key of its conversation: later turns repeat the old model's answers, so their texts do not tell it */
  conversation: string
}

export interface ExchangeRecord {
  id: string
  /** milliseconds since the epoch, when the request arrived */
  at: number
  tenant: string
  /** id of the issued key; absent where callers have none */
  caller?: string
  /** parameters of the address and headers that can change the answer; absent where there are none */
  envelope?: string
  model: string
  path: string
  streamed: boolean
  /** HTTP status of the answer; 499 when the client disconnected */
  status: number
  firstByteMs: number | null
  durationMs: number
  /** request body as sent, UTF-8, without attachments (`attachments.ts`); '' over the log's limit */
  request: string
  /** chat completion (streams are accumulated) or error body, JSON text; null when none arrived */
  response: string | null
  usage: Usage | null
  route: RouteOutcome | null
  /** absent for a client's request */
  bought?: Bought
}

/** A record without its bodies and the usage that is read from them. */
export type RecordHead = Omit<ExchangeRecord, 'request' | 'response' | 'usage'>

/** Longest name of a model and longest path that are kept, in characters. The client wrote both. */
const MAX_MODEL_CHARS = 256
const MAX_PATH_CHARS = 1024
/** Of both on the way to the store, which redacts them before it shortens them: the longest head of a request. */
const MAX_RECEIVED_CHARS = 16 * 1024

const cut = (text: string, maxChars: number): string =>
  text.length <= maxChars ? text : `${text.slice(0, maxChars).replace(/[\ud800-\udbff]$/, '')}…`

const shortened = (head: RecordHead, maxModelChars: number, maxPathChars: number): RecordHead => {
  const [model, path] = [cut(head.model, maxModelChars), cut(head.path, maxPathChars)]
  return model === head.model && path === head.path ? head : { ...head, model, path }
}

/** The head with its texts cut to a length that the log's queue takes. */
export const receivedHead = (head: RecordHead): RecordHead =>
  shortened(head, MAX_RECEIVED_CHARS, MAX_RECEIVED_CHARS)

/** The head with its texts cut to a length that the log keeps. */
export const boundedHead = (head: RecordHead): RecordHead =>
  shortened(head, MAX_MODEL_CHARS, MAX_PATH_CHARS)

/** The values of a head in a fixed order, which halves its JSON. Stored: values are only added at the end. */
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
  caller: string | null,
  envelope: string | null,
  bought?: readonly [of: string, at: number, conversation: string],
]

const packBought = ({ bought }: RecordHead): [] | [NonNullable<PackedHead[12]>] =>
  bought === undefined ? [] : [[bought.of, bought.at, bought.conversation]]

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
  head.caller ?? null,
  head.envelope ?? null,
  // most records have none
  ...packBought(head),
]

export const unpackHead = (packed: PackedHead): RecordHead => {
  const [id, at, tenant, model, path, streamed, status, firstByteMs, durationMs, ...rest] = packed
  const [route, caller, envelope, bought] = rest
  const head = { id, at, tenant, model, path, streamed, status, firstByteMs, durationMs, route }
  return {
    ...head,
    ...(caller !== null && { caller }),
    ...(envelope !== null && { envelope }),
    ...(bought !== undefined && {
      bought: { of: bought[0], at: bought[1], conversation: bought[2] },
    }),
  }
}

/** A record of the log, with its place there and the template that the worker found in it. */
export interface StoredRecord extends ExchangeRecord {
  /** strictly increasing; a cursor into the log */
  sequence: number
  templateVersion: string | null
  /** counted by a tokenizer where `usage` is null; present only on request */
  estimatedUsage?: Usage | null
}
