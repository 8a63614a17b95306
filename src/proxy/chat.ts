/**
 * A chat completion's way: receive → match → route → respond → log. Until the first byte to the
 * client, every fault of ours ends at the upstream with the original bytes (invariant 4).
 */
import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { AppError, toAppError } from '../errors.ts'
import type { Caller } from './access.ts'
import { Client } from './client.ts'
import type { ChatDeps } from './deps.ts'
import type { Received, Recognized } from './exchange.ts'
import { matchRoute, type MatchedRoute } from './match.ts'
import { passThrough } from './pass-through.ts'
import { receive, type Unread } from './receive.ts'
import { respondFromLora } from './respond-from-lora.ts'
import { respondFromUpstream, type UpstreamReason } from './respond-from-upstream.ts'
import { createRouter, type Router } from './route.ts'

/** @returns null when nothing matches, and when matching itself fails */
const match = (deps: ChatDeps, { request, exchange }: Received): MatchedRoute | null => {
  if (request === null) return null
  try {
    return matchRoute(deps.routes(), request, exchange.tenant)
  } catch {
    deps.metrics.fallback('internal')
    return null
  }
}

/** Asks the lora where the router says so. @returns why the upstream must answer, null when done */
const respondFromRoute = async (
  deps: ChatDeps,
  router: Router,
  received: Recognized,
  matched: MatchedRoute
): Promise<UpstreamReason | null> => {
  const { request, exchange, client, overheadMs } = received
  const common = { matched, overheadMs }
  if (request === null) return null
  try {
    const decision = router(matched, request, exchange.tenant)
    if (decision.target === 'upstream') {
      return { ...common, route: 'upstream', reason: decision.reason, confidence: null }
    }
    const fault = await respondFromLora(deps, received, request, matched, decision)
    return fault && { ...common, route: 'fallback', ...fault }
  } catch {
    if (client.outgoing.headersSent) {
      client.break()
      return null
    }
    return { ...common, route: 'fallback', reason: 'internal', confidence: null }
  }
}

/**
 * Receives from a caller with an issued key: who has none is refused before the body is read, who is
 * over a limit after it.
 * @throws AppError as the methods of `Caller`
 */
const receiveFrom = async (
  deps: ChatDeps,
  caller: Caller,
  incoming: IncomingMessage,
  client: Client
): Promise<Received | Unread> => {
  const received = await receive(deps, incoming, client, caller.isReadFirst)
  if (received === 'no-room') caller.admitUnread()
  return typeof received === 'string'
    ? received
    : { ...received, charge: caller.admit(received.request) }
}

/**
 * Streams what there is no room for to the upstream. Where the model decides which upstream that is,
 * an unread request cannot go anywhere: its credential may be meant for another.
 */
const respondUnread = (deps: ChatDeps, incoming: IncomingMessage, client: Client): void => {
  if (deps.failover.upstreams.length === 0) {
    deps.metrics.request('unread')
    return passThrough(deps, incoming, client)
  }
  deps.metrics.request('shed')
  const message = 'there is no room for the request; try again soon'
  client.sendError(new AppError('overloaded', message, { retryAfterSeconds: 1 }))
  incoming.resume()
}

const answer = async (
  deps: ChatDeps,
  router: Router,
  incoming: IncomingMessage,
  client: Client
): Promise<void> => {
  const received =
    deps.access === null
      ? await receive(deps, incoming, client, false)
      : await receiveFrom(deps, deps.access.callerOf(incoming.headers), incoming, client)
  if (received === 'client-left') return deps.metrics.cancelled('before-answer')
  if (received === 'no-room') {
    return respondUnread(deps, incoming, client)
  }
  const matched = match(deps, received)
  const overheadMs = deps.now() - received.completeAt
  deps.metrics.overhead(overheadMs)
  const why =
    matched && (await respondFromRoute(deps, router, { ...received, overheadMs }, matched))
  if (matched === null || why !== null) respondFromUpstream(deps, received, why)
}

/** The handler never rejects: an error that nobody caught would end the process. */
export const createChatHandler = (deps: ChatDeps): ((bindings: HttpBindings) => Promise<void>) => {
  const router = createRouter(deps)
  return async ({ incoming, outgoing }) => {
    const client = new Client(outgoing, deps.load)
    try {
      await answer(deps, router, incoming, client)
    } catch (error) {
      if (outgoing.headersSent) return client.break()
      deps.metrics.request('refused')
      client.sendError(toAppError(error))
    }
  }
}
