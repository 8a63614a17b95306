/**
 * A completion, step by step: received → expanded → read → admitted → matched → routed → answered → recorded.
 * Each step is made once of what it needs and returns a value that holds the one before; what a step does
 * not know yet is not in its type. A step that can answer at once returns no promise: each wait would
 * delay every request by a turn of the event loop's queue.
 */
import type { IncomingMessage } from 'node:http'
import type { Dialect } from '../openai/dialect.ts'
import type { Admit, Admitted } from './admit.ts'
import { type Client, refuse } from './client/client.ts'
import type { Receive } from './client/receive.ts'
import type { StepDeps } from './deps.ts'
import type { Expander } from './kept/expand.ts'
import { unmatched, type Matched, type TemplateMatcher, type Unmatched } from './lora/match.ts'
import type { RespondFromLora } from './lora/respond-from-lora.ts'
import type { Router } from './lora/router.ts'
import type { PassUnread } from './pass-through.ts'
import type { Read } from './read.ts'
import type { Declined } from './reasons.ts'
import type { RespondFromUpstream } from './respond-from-upstream.ts'

export interface Steps extends Pick<StepDeps, 'access' | 'metrics' | 'fault' | 'now'> {
  receive: Receive
  /** in place of all further steps, for a body that does not fit into memory */
  passUnread: PassUnread
  expander: Expander
  read: Read
  admit: Admit
  match: TemplateMatcher
  route: Router
  respondFromLora: RespondFromLora
  respondFromUpstream: RespondFromUpstream
}

/**
 * Receives, admits and answers. A caller without a valid issued key is refused before the body is read, a
 * caller over its limits after it.
 * @throws AppError as `Access.callerOf` and the steps until `admit`
 */
const complete = async (
  steps: Steps,
  incoming: IncomingMessage,
  client: Client,
  dialect: Dialect
): Promise<void> => {
  const { metrics } = steps
  const caller = steps.access === null ? null : steps.access.callerOf(incoming)
  const received = await steps.receive(incoming, client, dialect)
  if (received === 'client-left') return metrics.cancelled('before-answer')
  if (received === 'no-room') return steps.passUnread(incoming, client, caller)
  const expanding = steps.expander.expand(received)
  const expanded = expanding instanceof Promise ? await expanding : expanding
  if (expanded === 'client-left') return metrics.cancelled('before-answer')
  const reading = steps.read(expanded, caller !== null && caller.isReadFirst)
  const read = reading instanceof Promise ? await reading : reading
  const admitting = steps.admit(read, caller)
  const admitted = admitting instanceof Promise ? await admitting : admitting
  const matched = match(steps, admitted)
  if (matched.route === null) return steps.respondFromUpstream(matched, null)
  metrics.overhead(matched.overheadMs)
  const declined = await respondFromRoute(steps, matched)
  if (declined !== null) steps.respondFromUpstream(matched, declined)
}

/*
 * Invariant 4: once a request is admitted, every fault of the proxy until the first byte to the client
 * ends at the upstream, which gets the original bytes. The two steps that can fail are caught here.
 */

/** A fault of matching is a request that matches nothing. */
const match = (steps: Steps, admitted: Admitted): Matched | Unmatched => {
  try {
    return steps.match(admitted)
  } catch (error) {
    steps.fault('matching', error, { request: admitted.read.exchange.id })
    steps.metrics.forwarded('internal')
    return unmatched(admitted, steps.now())
  }
}

/** Asks the lora if the router says so. @returns why the upstream must answer, null when done */
const respondFromRoute = async (steps: Steps, matched: Matched): Promise<Declined | null> => {
  const { client, exchange } = matched.admitted.read
  const { route } = matched
  let position: number | null = null
  try {
    const routed = steps.route(matched)
    if ('reason' in routed) return routed
    position = routed.position
    return await steps.respondFromLora(routed)
  } catch (error) {
    steps.fault('route', error, { request: exchange.id, lora: route.lora })
    if (!client.outgoing.headersSent)
      return { route, reason: 'internal', confidence: null, wasAsked: true, position }
    client.break()
    return null
  }
}

/** Answers completions; never rejects, because its caller does not wait for it. */
export const createCompletionHandler =
  (steps: Steps) =>
  async (incoming: IncomingMessage, client: Client, dialect: Dialect): Promise<void> => {
    try {
      await complete(steps, incoming, client, dialect)
    } catch (thrown) {
      refuse(steps, client, thrown)
    }
  }
