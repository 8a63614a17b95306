/**
 * A completion's way: receive → match → route → respond → log. Until the first byte to the
 * client, every fault of the proxy ends at the upstream with the original bytes (invariant 4).
 */
import type { IncomingMessage } from 'node:http'
import { READ_FAULTS } from '../core/request/chat-reading.ts'
import { matchRoute, type MatchedRoute } from '../core/route/route-table.ts'
import { AppError, isFault, toAppError } from '../errors.ts'
import type { ChatRequest } from '../openai/chat.ts'
import type { Dialect } from '../openai/dialect.ts'
import type { Caller } from './access/access.ts'
import type { Charge, Soon } from './access/limits.ts'
import type { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'
import type { Received } from './exchange.ts'
import { passThrough } from './pass-through.ts'
import { withKept } from './kept/expand.ts'
import { isLong, read, readInSlices, receive } from './receive.ts'
import { respondFromLora } from './lora/respond-from-lora.ts'
import { respondFromUpstream, type UpstreamReason } from './respond-from-upstream.ts'
import { createRouter, type Router } from './lora/router.ts'

/** @returns null when nothing matches, and when matching itself fails */
const match = (
  deps: ChatDeps,
  request: ChatRequest,
  { exchange }: Received
): MatchedRoute | null => {
  try {
    return matchRoute(deps.routes(), request, exchange)
  } catch (error) {
    deps.fault('matching', error, { request: exchange.id })
    deps.metrics.forwarded('internal')
    return null
  }
}

/** Asks the lora if the router says so. @returns why the upstream must answer, null when done */
const respondFromRoute = async (
  deps: ChatDeps,
  router: Router,
  received: Received,
  request: ChatRequest,
  matched: MatchedRoute
): Promise<UpstreamReason | null> => {
  const { exchange, client } = received
  try {
    const decision = router(matched, request, exchange)
    if (decision.target === 'upstream')
      return { matched, wasAsked: false, reason: decision.reason, confidence: null }
    const fault = await respondFromLora(deps, received, request, matched, decision)
    return fault && { matched, wasAsked: true, ...fault }
  } catch (error) {
    deps.fault('route', error, { request: exchange.id, lora: matched.route.lora })
    if (!client.outgoing.headersSent)
      return { matched, wasAsked: true, reason: 'internal', confidence: null }
    client.break()
    return null
  }
}

/**
 * Streams a body that does not fit into memory to the upstream. Where the model decides which upstream
 * that is, an unread request is refused: its credential may be meant for another upstream.
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

/**
 * With an upstreams file, refuses a body whose model cannot be read: the model decides which upstream
 * may see the credential.
 * @throws AppError `invalid-request`
 */
const requireModel = ({ failover }: ChatDeps, { outcome }: Received): void => {
  if (failover.upstreams.length === 0) return
  if (outcome === 'too-deep' || outcome === 'too-many-values')
    throw new AppError('invalid-request', `the request cannot be routed: ${READ_FAULTS[outcome]}`)
}

/**
 * Admits a request that was received whole.
 * @returns a promise where a limit of the key must be asked for
 * @throws AppError as `Caller.admit` and `requireModel`
 */
const admit = (deps: ChatDeps, received: Received, caller: Caller | null): Soon<Charge> | null => {
  requireModel(deps, received)
  if (caller === null) return null
  const { dialect, model, body } = received.exchange
  return caller.admit({ dialect, model, outcome: received.outcome, body })
}

/** Answers a request that a live template matched. */
const answerMatched = async (
  deps: ChatDeps,
  router: Router,
  received: Received,
  request: ChatRequest,
  matched: MatchedRoute
): Promise<void> => {
  const why = await respondFromRoute(deps, router, received, request, matched)
  if (why !== null) respondFromUpstream(deps, received, why)
}

/**
 * Answers a request that was received whole.
 * @returns null where the upstream was asked at once
 */
const answer = (deps: ChatDeps, router: Router, received: Received): Promise<void> | null => {
  const { request } = received
  const matched = request === null ? null : match(deps, request, received)
  received.overheadMs = deps.now() - received.completeAt
  if (request === null || matched === null) {
    respondFromUpstream(deps, received, null)
    return null
  }
  deps.metrics.overhead(received.overheadMs)
  return answerMatched(deps, router, received, request, matched)
}

interface Opened {
  incoming: IncomingMessage
  client: Client
  dialect: Dialect
}

/**
 * Receives and answers. A caller without a valid issued key is refused before the body is read, a
 * caller over its limits after it.
 * @throws AppError as `receive`, `withKept`, `admit` and `Access.callerOf`
 */
const receiveAndAnswer = async (
  deps: ChatDeps,
  router: Router,
  { incoming, client, dialect }: Opened
): Promise<void> => {
  const caller = deps.access === null ? null : deps.access.callerOf(incoming)
  const arrived = await receive(deps, incoming, client, dialect)
  if (arrived === 'client-left') return deps.metrics.cancelled('before-answer')
  if (arrived === 'no-room') {
    await caller?.admitUnread()
    return respondUnread(deps, incoming, client)
  }
  const whole = await withKept(deps, arrived)
  if (whole === 'client-left') return deps.metrics.cancelled('before-answer')
  const received = isLong(whole)
    ? await readInSlices(deps, whole)
    : read(deps, whole, caller?.isReadFirst ?? false)
  const charge = admit(deps, received, caller)
  received.charge = charge instanceof Promise ? await charge : charge
  await answer(deps, router, received)
}

/** Answers one request for a completion; never rejects, because its caller does not wait for it. */
export type ChatHandler = (
  incoming: IncomingMessage,
  client: Client,
  dialect: Dialect
) => Promise<void>

export const createChatHandler = (deps: ChatDeps): ChatHandler => {
  const router = createRouter(deps)
  return async (incoming, client, dialect) => {
    try {
      await receiveAndAnswer(deps, router, { incoming, client, dialect })
    } catch (thrown) {
      const error = toAppError(thrown)
      if (isFault(error)) deps.fault('request', thrown)
      if (client.outgoing.headersSent) return client.break()
      deps.metrics.request('refused')
      client.sendError(error)
    }
  }
}
