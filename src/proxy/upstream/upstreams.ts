/** All upstreams: which one a model belongs to, and which ones stand in for it. */
import type { IncomingMessage } from 'node:http'
import { createBreaker, type BreakerOptions } from '../breaker.ts'
import type { Credentials } from '../access/credentials.ts'
import type { ReportFault, ServerFault } from '../../fault-log.ts'
import type { Target } from './attempt.ts'
import { collectFrom, type Collect } from './collect.ts'
import { confirmCredentials, type Confirmation } from './confirm.ts'
import { createRetries } from './retries.ts'
import { Failover, type FailoverDeps } from './failover.ts'
import {
  DEFAULT_UPSTREAM,
  findUpstream,
  standInsOf,
  type NamedUpstream,
} from '../../core/upstream-choice.ts'
import { createUpstream } from './upstream.ts'
import type { Passage } from './upstream-answer.ts'

const CONNECT_TIMEOUT_MS = 10_000
const RETRIES = { maxAttempts: 3, baseMs: 100, requestsPerRetry: 10, burst: 20 }

export interface FailoverOptions {
  /** of the upstreams file; empty without one */
  upstreams: readonly NamedUpstream[]
  /** after so many failures in a row an upstream is tried last until the pause is over */
  breaker: Omit<BreakerOptions, 'now'>
  /** longest wait that an upstream may ask for before it is asked again; 0 asks none again */
  retryAfterMaxMs: number
}

export interface Upstreams {
  /** The upstream that a model's requests are for; null without an upstreams file. */
  nameFor(model: string): string | null
  /** Sends a chat completion, again or to a stand-in where needed. @param model '' for none */
  ask(passage: Passage, model: string): void
  /** Whether nothing but the upstream that gets the callers' own credentials answers a model's requests. */
  seesCredentials(model: string): boolean
  /** Asks the upstream of a model about the credentials of a request; `unknown` where it gets no such. */
  confirm(incoming: IncomingMessage, model: string): Promise<Confirmation>
  /**
   * Asks the first choice of another model, once, for a caller of a model.
   * @param apiKey sent where that upstream has no key of its own; null forwards the caller's credentials
   * @returns null where these are for another upstream
   */
  collectFor(model: string, other: string, apiKey: string | null): Collect | null
  /** Sends any other request to the standard upstream. */
  pass(passage: Passage): void
  /** Cuts all connections. */
  close(): Promise<void>
}

export interface UpstreamsDeps extends Omit<FailoverDeps, 'retryAfterMaxMs'> {
  /** the upstream of all models without an entry */
  upstreamBaseUrl: string
  failover: FailoverOptions
  /** silence of an upstream after which it is given up */
  upstreamTimeoutMs: number
  credentials: Credentials
  fault: ReportFault<ServerFault>
  random: () => number
}

/** The upstreams that may answer, the first choice first. */
type Line = [Target, ...Target[]]

/** Opens upstreams, each with retries of its own. */
const opener =
  (deps: UpstreamsDeps) =>
  (name: string | null, baseUrl: string, apiKey: string | null): Target => ({
    name,
    apiKey,
    upstream: createUpstream(baseUrl, {
      idleTimeoutMs: deps.upstreamTimeoutMs,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      credentials: deps.credentials,
      onFault: (error, host) => deps.fault('upstream', error, { host }),
    }),
    retries: createRetries({ ...RETRIES, random: deps.random }),
    breaker: createBreaker({ ...deps.failover.breaker, now: deps.now }),
  })

export const createUpstreams = (deps: UpstreamsDeps): Upstreams => {
  const { upstreams: entries, retryAfterMaxMs } = deps.failover
  const open = opener(deps)
  const isNamed = entries.length > 0
  const standard = open(isNamed ? DEFAULT_UPSTREAM : null, deps.upstreamBaseUrl, null)
  const named = entries.map((entry) => {
    const { name, baseUrl, apiKey } = entry
    return { entry, target: open(name, baseUrl, apiKey) }
  })
  const targetsOf = (wanted: NamedUpstream): Target[] =>
    named.filter(({ entry }) => entry === wanted).map(({ target }) => target)
  const lines = new Map(
    named.map(({ entry, target }) => {
      const standIns = standInsOf(entries, entry).flatMap(targetsOf)
      return [entry, [target, ...standIns] satisfies Line]
    })
  )
  const lineFor = (model: string, mayStandIn: boolean): Line => {
    const entry = findUpstream(entries, model)
    const line = entry && lines.get(entry)
    if (!line) return [standard]
    return mayStandIn ? line : [line[0]]
  }
  const asking = { ...deps, retryAfterMaxMs }
  const passing = { ...deps, retryAfterMaxMs: 0 }
  // only answers to chat completions name their upstream
  const unnamed: Line = [{ ...standard, name: null }]
  return {
    nameFor: (model) => (isNamed ? (findUpstream(entries, model)?.name ?? DEFAULT_UPSTREAM) : null),
    ask: (passage, model) => {
      // a query may hold a key, which only the first choice may see
      const mayStandIn = passage.incoming.url?.includes('?') !== true
      new Failover(asking, passage, lineFor(model, mayStandIn)).begin()
    },
    seesCredentials: (model) => lineFor(model, true).every(({ apiKey }) => apiKey === null),
    confirm: async (incoming, model) => {
      const [{ upstream, apiKey }] = lineFor(model, false)
      return apiKey === null ? confirmCredentials(upstream, incoming, deps.setTimer) : 'unknown'
    },
    collectFor: (model, other, apiKey) => {
      const [target] = lineFor(other, false)
      const key = target.apiKey ?? apiKey
      const isSame = lineFor(model, false)[0] === target
      return key === null && !isSame ? null : collectFrom(target.upstream, key)
    },
    pass: (passage) => new Failover(passing, passage, unnamed).begin(),
    close: async () => {
      const targets = [standard, ...named.map(({ target }) => target)]
      await Promise.all(targets.map(({ upstream }) => upstream.close()))
    },
  }
}
