/**
 * A chat completion's way: receive → match → route → respond → log. Until the first byte to the
 * client, every fault of ours ends at the upstream with the original bytes (invariant 4).
 */
import type { IncomingMessage } from 'node:http'
import type { HttpBindings } from '@hono/node-server'
import { READ_FAULTS } from '../core/request/chat-reading.ts'
import { AppError, isFault, toAppError } from '../errors.ts'
import type { Caller } from './access/access.ts'
import { Client } from './client/client.ts'
import type { ChatDeps } from './deps.ts'
import type { Received } from './exchange.ts'
import { matchRoute, type MatchedRoute } from '../core/route/route-table.ts'
import { passThrough } from './pass-through.ts'
import { isLong, read, readInTurns, receive } from './receive.ts'
import { respondFromLora } from './lora/respond-from-lora.ts'
import { respondFromUpstream, type UpstreamReason } from './respond-from-upstream.ts'
import { createRouter, type Router } from './lora/router.ts'

/** @returns null when nothing matches, and when matching itself fails */
const match = (deps: ChatDeps, { request, exchange }: Received): MatchedRoute | null => {
  if (request === null) return null
  try {
    return matchRoute(deps.routes(), request, exchange.tenant)
  } catch (error) {
    deps.fault('matching', error, { request: exchange.id })
    deps.metrics.fallback('internal')
    return null
  }
}

/** Asks the lora where the router says so. @returns why the upstream must answer, null when done */
const respondFromRoute = async (
  deps: ChatDeps,
  router: Router,
  received: Received,
  matched: MatchedRoute
): Promise<UpstreamReason | null> => {
  const { request, exchange, client, overheadMs } = received
  const common = { matched, overheadMs }
  if (request === null) return null
  try {
    const decision = router(matched, request, exchange)
    if (decision.target === 'upstream') {
      return { ...common, route: 'upstream', reason: decision.reason, confidence: null }
    }
    const fault = await respondFromLora(deps, received, request, matched, decision)
    return fault && { ...common, route: 'fallback', ...fault }
  } catch (error) {
    deps.fault('route', error, { request: exchange.id, lora: matched.route.lora })
    if (client.outgoing.headersSent) {
      client.break()
      return null
    }
    return { ...common, route: 'fallback', reason: 'internal', confidence: null }
  }
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

/** @throws AppError `invalid-api-key` where keys are issued and none of them is presented */
const callerOf = ({ access }: ChatDeps, incoming: IncomingMessage): Caller | null =>
  access === null ? null : access.callerOf(incoming)

/** Answers what a live template was found in. */
const answerMatched = async (
  deps: ChatDeps,
  router: Router,
  received: Received,
  matched: MatchedRoute
): Promise<void> => {
  const why = await respondFromRoute(deps, router, received, matched)
  if (why !== null) respondFromUpstream(deps, received, why)
}

/**
 * Where the model decides which upstream a request goes to, its credential may be meant for another.
 * @throws AppError `invalid-request` for a body whose model cannot be read in time
 */
const requireModel = ({ failover }: ChatDeps, { outcome }: Received): void => {
  if (failover.upstreams.length === 0) return
  if (outcome === 'too-deep' || outcome === 'too-many-values')
    throw new AppError('invalid-request', `the request cannot be routed: ${READ_FAULTS[outcome]}`)
}

/**
 * Answers what was read.
 * @param caller null where callers present their provider's keys
 * @returns null where the upstream was asked at once
 * @throws AppError as `Caller.admit` and `requireModel`
 */
const answer = (
  deps: ChatDeps,
  router: Router,
  received: Received,
  caller: Caller | null
): Promise<void> | null => {
  const { outcome, exchange } = received
  requireModel(deps, received)
  if (caller !== null) received.charge = caller.admit(outcome, exchange.body)
  const matched = match(deps, received)
  received.overheadMs = deps.now() - received.completeAt
  if (matched === null) {
    respondFromUpstream(deps, received, null)
    return null
  }
  deps.metrics.overhead(received.overheadMs)
  return answerMatched(deps, router, received, matched)
}

/**
 * Receives and answers. Who presents no issued key where one is needed is refused before the body is
 * read, who is over a limit after it.
 * @throws AppError as `receive`, `callerOf` and `answer`
 */
const receiveAndAnswer = async (
  deps: ChatDeps,
  router: Router,
  incoming: IncomingMessage,
  client: Client
): Promise<void> => {
  const caller = callerOf(deps, incoming)
  const whole = await receive(deps, incoming, client)
  if (whole === 'client-left') return deps.metrics.cancelled('before-answer')
  if (whole === 'no-room') {
    caller?.admitUnread()
    return respondUnread(deps, incoming, client)
  }
  const received = isLong(whole)
    ? await readInTurns(deps, whole)
    : read(deps, whole, caller?.isReadFirst ?? false)
  await answer(deps, router, received, caller)
}

/** Answers one chat completion; never rejects, because its caller does not wait for it. */
export type ChatHandler = (bindings: HttpBindings) => Promise<void>

export const createChatHandler = (deps: ChatDeps): ChatHandler => {
  const router = createRouter(deps)
  return async ({ incoming, outgoing }) => {
    const client = new Client(outgoing, deps.load)
    try {
      await receiveAndAnswer(deps, router, incoming, client)
    } catch (thrown) {
      const error = toAppError(thrown)
      if (isFault(error)) deps.fault('request', thrown)
      if (client.outgoing.headersSent) return client.break()
      deps.metrics.request('refused')
      client.sendError(error)
    }
  }
}
