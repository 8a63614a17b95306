/** One chat completion on its way through the proxy. */
import type { IncomingMessage } from 'node:http'
import type { ChatReading, ReadFault } from '../core/request/chat-reading.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { Dialect } from '../openai/dialect.ts'
import type { Client } from './client/client.ts'
import type { Credentials } from './access/credentials.ts'
import type { Identity, Tenants } from './access/tenants.ts'
import { CAPTURE_HEADER, RECORD_HEADER } from './headers.ts'
import type { EnvelopeOf } from './envelopes.ts'
import type { Charge } from './access/limits.ts'

interface ExchangeDeps {
  tenants: Tenants
  credentials: Credentials
  envelopeOf: EnvelopeOf
  newId: () => string
  isCaptured: (tenant: string) => boolean
}

interface Request {
  dialect: Dialect
  /** milliseconds since the epoch */
  at: number
  /** '' when the body has none */
  model: string
  streamed: boolean
  /** the original bytes, for the upstream (invariant 3) and the log */
  body: Buffer
  /** of a kept response that the client continues, in whose place the body has the conversation */
  previousId: string | null
  /** whether the client's body had the id of an answer of ours */
  hasOwnItems: boolean
}

/**
 * A request as the log needs it. Fields that the upstream does not need are computed lazily, usually
 * after the answer: in a process that was idle, each step before the upstream call takes ten times as
 * long as under load.
 */
export class ChatExchange {
  readonly dialect: Dialect
  readonly at: number
  readonly model: string
  readonly streamed: boolean
  readonly body: Buffer
  readonly previousId: string | null
  readonly hasOwnItems: boolean
  /** that the router has drawn for its conversation; null: none was drawn, or no other request has it */
  position: number | null = null
  private readonly deps: ExchangeDeps
  readonly incoming: IncomingMessage
  private knownId: string | null = null
  private knownIdentity: Identity | null = null
  private knownEnvelope: string | null = null
  private knownCaptured: boolean | null = null

  constructor(
    deps: ExchangeDeps,
    incoming: IncomingMessage,
    { dialect, at, model, streamed, body, previousId, hasOwnItems }: Request
  ) {
    this.deps = deps
    this.incoming = incoming
    this.dialect = dialect
    this.at = at
    this.model = model
    this.streamed = streamed
    this.body = body
    this.previousId = previousId
    this.hasOwnItems = hasOwnItems
  }

  get id(): string {
    return (this.knownId ??= this.deps.newId())
  }

  private get identity(): Identity {
    return (this.knownIdentity ??= this.deps.tenants.identify(this.incoming))
  }

  get tenant(): string {
    return this.identity.tenant
  }

  /** Id of the issued key; undefined where callers have none. */
  get caller(): string | undefined {
    return this.identity.caller
  }

  /** Whether it carries a credential that an upstream could have accepted. */
  get hasProof(): boolean {
    return this.identity.hasProof
  }

  /** The request target without the values of credentials. */
  get path(): string {
    return this.deps.credentials.masked(this.incoming.url ?? '')
  }

  /** What around the body can change the answer; '' where nothing can. */
  get envelope(): string {
    return (this.knownEnvelope ??= this.deps.envelopeOf(this.incoming))
  }

  /** Whether the exchange is logged. */
  get isCaptured(): boolean {
    return (this.knownCaptured ??=
      this.incoming.headers[CAPTURE_HEADER] !== 'false' && this.deps.isCaptured(this.tenant))
  }
}

/** The header with the id of the record; empty for an exchange that is not logged. */
export const recordHeader = (exchange: ChatExchange): string[] =>
  exchange.isCaptured ? [RECORD_HEADER, exchange.id] : []

/** A request whose body was received whole. */
export interface Received {
  incoming: IncomingMessage
  client: Client
  /** when the last byte of the body arrived, milliseconds since the epoch */
  completeAt: number
  /** time of the proxy from then until it asks the upstream or the engine, milliseconds */
  overheadMs: number
  exchange: ChatExchange
  /** the body as it was read, or why it could not be; null where it was not read */
  outcome: ChatReading | ReadFault | null
  /** null when no template can match, and for a body that is not a chat request */
  request: ChatRequest | null
  /** counts it for its issued key; null where callers present their provider's keys */
  charge: Charge | null
}
