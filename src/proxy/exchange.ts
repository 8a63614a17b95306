/** One chat completion on its way through the proxy. */
import type { IncomingMessage } from 'node:http'
import type { Dialect } from '../openai/dialect.ts'
import type { Identity } from './access/tenants.ts'
import type { StepDeps } from './deps.ts'
import { CAPTURE_HEADER, RECORD_HEADER } from './headers.ts'
import type { Expanded } from './kept/expand.ts'

export type ExchangeDeps = Pick<
  StepDeps,
  'tenants' | 'credentials' | 'envelopeOf' | 'newId' | 'isCaptured'
>

/**
 * A request as the log needs it. Fields that the upstream does not need are computed lazily, usually
 * after the answer: in a process that was idle, each step before the upstream call takes ten times as
 * long as under load.
 */
export class ChatExchange {
  readonly incoming: IncomingMessage
  readonly dialect: Dialect
  /** when its head arrived, milliseconds since the epoch */
  readonly at: number
  /** '' when the body has none */
  readonly model: string
  readonly streamed: boolean
  /** for the upstream (invariant 3) and the log */
  readonly body: Buffer
  /** of a kept response that the client continues, in whose place the body has the conversation */
  readonly previousId: string | null
  /** whether the client's body had the id of an answer of ours */
  readonly hasOwnItems: boolean
  private knownId: string | null = null
  private knownIdentity: Identity | null = null
  private knownEnvelope: string | null = null
  private knownCaptured: boolean | null = null

  constructor(
    private readonly deps: ExchangeDeps,
    { received: { dialect, incoming, at }, body, previousId, hasOwnItems }: Expanded,
    { model, streamed }: Pick<ChatExchange, 'model' | 'streamed'>
  ) {
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
