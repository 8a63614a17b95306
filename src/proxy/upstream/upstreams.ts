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

export type Upstreams = ReturnType<typeof createUpstreams>

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

/** All upstreams that are configured, opened. */
const openLines = (deps: UpstreamsDeps) => {
  const { upstreams: entries } = deps.failover
  const open = opener(deps)
  const name = entries.length > 0 ? DEFAULT_UPSTREAM : null
  const standard = open(name, deps.upstreamBaseUrl, null)
  const named = new Map(
    entries.map((entry) => [entry, open(entry.name, entry.baseUrl, entry.apiKey)])
  )
  const lineFor = (model: string, mayStandIn: boolean): Line => {
    const entry = findUpstream(entries, model)
    const target = entry && named.get(entry)
    if (!target) return [standard]
    const standIns = mayStandIn ? standInsOf(entries, entry) : []
    return [target, ...standIns.flatMap((other) => named.get(other) ?? [])]
  }
  return { standard, lineFor, targets: [standard, ...named.values()] }
}

export const createUpstreams = (deps: UpstreamsDeps) => {
  const { retryAfterMaxMs } = deps.failover
  const { standard, lineFor, targets } = openLines(deps)
  const asking = { ...deps, retryAfterMaxMs }
  const passing = { ...deps, retryAfterMaxMs: 0 }
  // only answers to chat completions name their upstream
  const unnamed: Line = [{ ...standard, name: null }]
  return {
    /** The upstream that a model's requests are for; null without an upstreams file. */
    nameFor: (model: string): string | null => lineFor(model, false)[0].name,
    /** Sends a chat completion, again or to a stand-in where needed. @param model '' for none */
    ask: (passage: Passage, model: string): void => {
      // a query may hold a key, which only the first choice may see
      const mayStandIn = passage.incoming.url?.includes('?') !== true
      new Failover(asking, passage, lineFor(model, mayStandIn)).begin()
    },
    /** Whether nothing but the upstream that gets the callers' own credentials answers a model's requests. */
    seesCredentials: (model: string): boolean =>
      lineFor(model, true).every(({ apiKey }) => apiKey === null),
    /** Asks the upstream of a model about the credentials of a request; `unknown` where it gets no such. */
    confirm: async (incoming: IncomingMessage, model: string): Promise<Confirmation> => {
      const [{ upstream, apiKey }] = lineFor(model, false)
      return apiKey === null ? confirmCredentials(upstream, incoming, deps.setTimer) : 'unknown'
    },
    /**
     * Asks the first choice of another model, once, for a caller of a model.
     * @param apiKey sent where that upstream has no key of its own; null forwards the caller's credentials
     * @returns null where these are for another upstream
     */
    collectFor: (model: string, other: string, apiKey: string | null): Collect | null => {
      const [target] = lineFor(other, false)
      const key = target.apiKey ?? apiKey
      const isSame = lineFor(model, false)[0] === target
      return key === null && !isSame ? null : collectFrom(target.upstream, key)
    },
    /** Sends any other request to the standard upstream. */
    pass: (passage: Passage): void => new Failover(passing, passage, unnamed).begin(),
    /** Cuts all connections. */
    close: async (): Promise<void> => {
      await Promise.all(targets.map(({ upstream }) => upstream.close()))
    },
  }
}
