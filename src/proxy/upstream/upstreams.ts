/** All upstreams together: who is asked for a model, and who stands in. */
import type { IncomingMessage } from 'node:http'
import { createBreaker, type BreakerOptions } from '../breaker.ts'
import type { Retries } from './retries.ts'
import { Turns, type Target, type TurnsDeps } from './turns.ts'
import {
  DEFAULT_UPSTREAM,
  findUpstream,
  standInsOf,
  type NamedUpstream,
} from '../../core/upstream-choice.ts'
import type { Upstream } from './upstream.ts'
import type { Passage } from './upstream-answer.ts'

export interface FailoverOptions {
  /** of the upstreams file; empty without one */
  upstreams: readonly NamedUpstream[]
  /** after so many failures in a row an upstream comes last for the pause */
  breaker: Omit<BreakerOptions, 'now'>
  /** how long an upstream may ask to wait before it is asked again; 0 asks none again */
  retryAfterMaxMs: number
}

export interface Upstreams {
  /** Whom a model's requests are for; null without an upstreams file. */
  nameFor(model: string): string | null
  /** @param model '' when the body has none */
  send(incoming: IncomingMessage, body: Buffer, passage: Passage, model: string): void
  close(): Promise<void>
}

interface Opened {
  upstream: Upstream
  retries: Retries
}

export interface UpstreamsDeps extends TurnsDeps {
  failover: FailoverOptions
  /** of all that no entry is for */
  standard: Opened
  open: (baseUrl: string) => Opened
}

export const createUpstreams = (deps: UpstreamsDeps): Upstreams => {
  const { standard, open, now } = deps
  const { upstreams: entries, breaker } = deps.failover
  const isNamed = entries.length > 0
  const targetOf = (name: string | null, apiKey: string | null, opened: Opened): Target => ({
    name,
    apiKey,
    ...opened,
    breaker: createBreaker({ ...breaker, now }),
  })
  const standardTarget = targetOf(isNamed ? DEFAULT_UPSTREAM : null, null, standard)
  const targets = new Map(
    entries.map((entry) => [entry.name, targetOf(entry.name, entry.apiKey, open(entry.baseUrl))])
  )
  const standIns = new Map(
    entries.map((entry) => [
      entry.name,
      standInsOf(entries, entry).map(({ name }) => targets.get(name)!),
    ])
  )
  const lineFor = (model: string, mayStandIn: boolean): [Target, ...Target[]] => {
    const entry = findUpstream(entries, model)
    if (entry === null) return [standardTarget]
    return [targets.get(entry.name)!, ...(mayStandIn ? standIns.get(entry.name)! : [])]
  }
  return {
    nameFor: (model) => (isNamed ? (findUpstream(entries, model)?.name ?? DEFAULT_UPSTREAM) : null),
    send: (incoming, body, passage, model) => {
      // a query may hold a key, which is for the first choice alone
      const mayStandIn = incoming.url?.includes('?') !== true
      new Turns(deps, { incoming, body, passage }, lineFor(model, mayStandIn)).begin()
    },
    close: async () => {
      await Promise.all([...targets.values()].map(({ upstream }) => upstream.close()))
    },
  }
}
