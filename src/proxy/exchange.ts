/** One chat completion on its way through the proxy. */
import type { IncomingMessage } from 'node:http'
import type { ChatReading, ReadFault } from '../core/request/chat-reading.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { Client } from './client/client.ts'
import type { Credentials } from './access/credentials.ts'
import type { Tenants } from './access/tenants.ts'
import { CAPTURE_HEADER } from './headers.ts'
import type { Charge } from './access/limits.ts'

interface ExchangeDeps {
  tenants: Tenants
  credentials: Credentials
  newId: () => string
  isCaptured: (tenant: string) => boolean
}

interface Request {
  /** milliseconds since the epoch */
  at: number
  /** '' when the body has none */
  model: string
  streamed: boolean
  /** the original bytes, for the upstream (invariant 3) and the log */
  body: Buffer
}

/**
 * What the log needs to know of a request. What the upstream is not asked with is found out when it is
 * first asked for, which is mostly behind the request: a process that has slept pays for each step
 * before it ten times what it pays under load.
 */
export class Exchange {
  readonly at: number
  readonly model: string
  readonly streamed: boolean
  readonly body: Buffer
  private readonly deps: ExchangeDeps
  private readonly incoming: IncomingMessage
  private knownId: string | null = null
  private knownTenant: string | null = null
  private knownCaptured: boolean | null = null

  constructor(
    deps: ExchangeDeps,
    incoming: IncomingMessage,
    { at, model, streamed, body }: Request
  ) {
    this.deps = deps
    this.incoming = incoming
    this.at = at
    this.model = model
    this.streamed = streamed
    this.body = body
  }

  get id(): string {
    return (this.knownId ??= this.deps.newId())
  }

  get tenant(): string {
    return (this.knownTenant ??= this.deps.tenants.of(this.incoming))
  }

  /** Whether it carries a credential that an upstream could have accepted. */
  get hasProof(): boolean {
    return this.deps.tenants.hasProof(this.incoming)
  }

  /** As it may be stored: without the values of credentials. */
  get path(): string {
    return this.deps.credentials.masked(this.incoming.url ?? '')
  }

  /** Whether the log gets it. */
  get isCaptured(): boolean {
    return (this.knownCaptured ??=
      this.incoming.headers[CAPTURE_HEADER] !== 'false' && this.deps.isCaptured(this.tenant))
  }
}

/** A request that was received whole. */
export interface Received {
  incoming: IncomingMessage
  client: Client
  /** when the last byte of the body was there, milliseconds since the epoch */
  completeAt: number
  /** our own time from then until the upstream or the engine was asked, milliseconds */
  overheadMs: number
  exchange: Exchange
  /** what was read, or why it could not be; null where that need not be known */
  outcome: ChatReading | ReadFault | null
  /** null when no template can be in it, or when it is no chat request: the upstream's to refuse */
  request: ChatRequest | null
  /** what it holds of its key's limits; null where nothing is counted */
  charge: Charge | null
}
