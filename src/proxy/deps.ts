/** What the server gives the proxy, once, and what the proxy builds of it; each step picks its own part. */
import type { AnswerFormats } from '../core/answer/schema/answer-schema.ts'
import type { CapturedExchange } from '../core/log/exchange-batch.ts'
import type { KeptResponses } from '../core/log/kept-response.ts'
import type { RouteTable } from '../core/route/route-table.ts'
import type { Engine } from '../engine/engine.ts'
import type { ReportFault, ServerFault } from '../fault-log.ts'
import type { Access } from './access/access.ts'
import type { Credentials } from './access/credentials.ts'
import type { EnvelopeOf } from './envelopes.ts'
import type { Tenants } from './access/tenants.ts'
import type { BodyBudget } from './client/body-budget.ts'
import type { Load } from './client/load.ts'
import type { Pages } from './client/pages.ts'
import type { ProxyMetrics } from './metrics/metrics.ts'
import type { SetTimer } from '../timers.ts'
import type { FailoverOptions, Upstreams } from './upstream/upstreams.ts'

export interface ProxyLimits {
  /** of a chat completion's request; a larger one is refused with 413 */
  maxBodyBytes: number
  /** of an answer that the log keeps; a larger one is logged without text */
  captureMaxBytes: number
  /** for a whole answer of a lora; after that the upstream is asked */
  adaptedTimeoutMs: number
  /** a lora's answer that needs more falls back */
  adaptedMaxTokens: number
  /** how long the upstream may be silent */
  upstreamTimeoutMs: number
  /** silence of a stream after which a comment is sent into it; 0 sends none */
  keepAliveMs: number
}

export interface ProxyDeps {
  /** `https://host` or `https://host/path`; the path replaces the client's `/v1` */
  upstreamBaseUrl: string
  /** other upstreams, and when one is asked again */
  failover: FailoverOptions
  /** refuses requests beyond its limits */
  load: Load
  /** the current snapshot; called once a request */
  routes: () => RouteTable
  /** false while the snapshot was not confirmed for too long: no lora is asked then */
  areRoutesGood: () => boolean
  /** engines by the name that routes carry */
  engines: ReadonlyMap<string, Engine>
  tenants: Tenants
  /** the places of credentials in a request */
  credentials: Credentials
  /** what around a request's body can change its answer */
  envelopeOf: EnvelopeOf
  /** a request that carries one of them is never forwarded */
  ownSecrets: readonly string[]
  /** null where clients' own keys are forwarded */
  access: Access | null
  /** names of the server whose pages may spend keys of the operator, in lower case */
  allowedHosts: readonly string[]
  /** for the bodies of chat completions, until they are answered */
  bodies: BodyBudget
  /** answers that callers may ask for again; null where their text must not be stored as it is */
  keptResponses: KeptResponses | null
  /** whether the tenant's next exchange is logged, unless its client says no */
  isCaptured: (tenant: string) => boolean
  /** takes an exchange that is over; must not block and must not throw */
  log: (exchange: CapturedExchange) => void
  /** takes the same exchanges and those that are not logged, for spans; null without tracing */
  trace: ((exchange: CapturedExchange, traceparent: unknown) => void) | null
  metrics: ProxyMetrics
  /** takes every exception that ends in another answer, or in none */
  fault: ReportFault<ServerFault>
  limits: ProxyLimits
  /** whether every stream is asked for its usage, which is removed for clients that did not ask */
  asksForUsage: boolean
  /** whether answers carry the requested model's name instead of the lora's id */
  echoModel: boolean
  /** after so many failures in a row an engine is not asked until the pause is over */
  breaker: { maxFailures: number; pauseMs: number }
  /** milliseconds since the epoch, with fractions where the clock has them */
  now: () => number
  setTimer: SetTimer
  /** uniform in [0, 1), not for secrets */
  random: () => number
  /** unique id of an exchange */
  newId: () => string
}

/** For the steps, which pick from it. */
export interface StepDeps extends ProxyDeps {
  upstreams: Upstreams
  pages: Pages
  /** sent in place of the clients' own credentials; null forwards those */
  upstreamApiKey: string | null
  /** checks a lora's answer against the request's response format */
  formats: AnswerFormats
}
