/** The third step of a completion: its body is read as far as needed. */
import {
  readChatRequest,
  readScanned,
  type ChatReading,
  type ReadFault,
  type ReadResult,
} from '../core/request/chat-reading.ts'
import { MAX_PARSED_BYTES, scanJson } from '../core/request/json-scan.ts'
import { outlineOf, type Outline } from '../core/match/match.ts'
import type { ChatRequest } from '../openai/chat.ts'
import { CHAT } from '../openai/dialect.ts'
import type { Client } from './client/client.ts'
import type { StepDeps } from './deps.ts'
import { ChatExchange, type ExchangeDeps } from './exchange.ts'
import type { Expanded } from './kept/expand.ts'

/** A completion with what its body says. */
export interface ReadRequest {
  readonly client: Client
  readonly exchange: ChatExchange
  /** when the whole body was there, milliseconds since the epoch */
  readonly completeAt: number
  /** the body as it was read, or why it could not be; null where it was not read */
  readonly outcome: ChatReading | ReadFault | null
  /** null when no template can match, and for a body that is not a chat request */
  readonly request: ChatRequest | null
}

type ReadDeps = ExchangeDeps & Pick<StepDeps, 'routes' | 'fault' | 'now'>

/** True also when the routes cannot be read: matching reads them again. */
const mayMatch = ({ routes, fault }: ReadDeps, body: Buffer, outline: Outline): boolean => {
  try {
    return routes().matcher.mayMatch(body, outline)
  } catch (error) {
    fault('matching', error)
    return true
  }
}

/** Facts of a body, by its outline or by parsing it. */
interface Found extends Pick<ChatExchange, 'model' | 'streamed'> {
  outcome: ReadRequest['outcome']
}

const foundBy = ({ model, outcome }: ReadResult): Found => ({
  model,
  streamed: typeof outcome !== 'string' && outcome.request.stream === true,
  outcome,
})

const readRequest = (
  deps: ReadDeps,
  expanded: Expanded,
  completeAt: number,
  found: Found
): ReadRequest => {
  const exchange = new ChatExchange(deps, expanded, found)
  const { outcome } = found
  const isWhole = outcome !== null && typeof outcome !== 'string' && outcome.isWhole
  // a body longer than any template's context is parsed only for limits
  const request = isWhole ? outcome.request : null
  return { client: expanded.received.client, exchange, completeAt, outcome, request }
}

const readAtOnce = (deps: ReadDeps, expanded: Expanded, isReadFirst: boolean): ReadRequest => {
  const completeAt = deps.now()
  const { received, body } = expanded
  // an outline is that of a chat request
  const outline = isReadFirst || received.dialect !== CHAT ? null : outlineOf(body)
  const isUnmatched = outline !== null && !mayMatch(deps, body, outline)
  const found = isUnmatched
    ? { model: outline.model, streamed: outline.streamed, outcome: null }
    : foundBy(readChatRequest(body, received.dialect))
  return readRequest(deps, expanded, completeAt, found)
}

/** Lets other work of the event loop run. */
const nextTick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Reads a body that is too long for any template, in slices of at most some 30 ms. */
const readInSlices = async (deps: ReadDeps, expanded: Expanded): Promise<ReadRequest> => {
  const completeAt = deps.now()
  const { received, body } = expanded
  await nextTick()
  const scan = scanJson(body)
  await nextTick()
  const found = foundBy(readScanned(body, scan, received.dialect))
  await nextTick()
  return readRequest(deps, expanded, completeAt, found)
}

export type Read = ReturnType<typeof createRead>

/**
 * `isReadFirst`: the body must be parsed even where no template can match. A promise comes only for a body
 * that is too long to be read in one tick.
 */
export const createRead =
  (deps: ReadDeps) =>
  (expanded: Expanded, isReadFirst: boolean): ReadRequest | Promise<ReadRequest> =>
    expanded.body.length > MAX_PARSED_BYTES
      ? readInSlices(deps, expanded)
      : readAtOnce(deps, expanded, isReadFirst)
