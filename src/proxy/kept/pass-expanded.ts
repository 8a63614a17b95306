/**
 * Requests that take items like a completion and are not one: of the Responses API the compaction of a conversation
 * and the count of its tokens, and new items of a conversation that the provider keeps. They pass, with answers
 * of ours in the places of their ids.
 */
import type { IncomingMessage } from 'node:http'
import { RESPONSES } from '../../openai/dialect.ts'
import type { ItemList } from '../../openai/responses/own-items.ts'
import { type Client, refuse } from '../client/client.ts'
import type { Receive } from '../client/receive.ts'
import type { StepDeps } from '../deps.ts'
import { BYPASS_HEADER } from '../headers.ts'
import type { Forward } from '../pass-through.ts'
import type { Expander } from './expand.ts'

const LISTS: [RegExp, ItemList][] = [
  [/^\/v1\/responses\/(?:compact|input_tokens)$/, 'input'],
  [/^\/v1\/conversations(?:\/[^/]+\/items)?$/, 'items'],
]

/** @param path without a query @returns the member with the items; null for any other request */
export const itemListAt = (method: string | undefined, path: string): ItemList | null =>
  method === 'POST' ? (LISTS.find(([pattern]) => pattern.test(path))?.[1] ?? null) : null

interface PassExpandedDeps extends Pick<StepDeps, 'access' | 'limits' | 'metrics' | 'fault'> {
  receive: Receive
  expander: Expander
  forward: Forward
}

/** Streamed unread, as any request that is no completion. One that does not say its length gets 413. */
const isUnread = ({ limits }: PassExpandedDeps, { headers }: IncomingMessage): boolean =>
  headers[BYPASS_HEADER] === 'true' || Number(headers['content-length'] ?? 0) > limits.maxBodyBytes

/** @throws AppError as `createReceive` and `Expander.expandItems` */
const passAdmitted = async (
  deps: PassExpandedDeps,
  list: ItemList,
  incoming: IncomingMessage,
  client: Client
): Promise<void> => {
  const { metrics, forward } = deps
  if (isUnread(deps, incoming)) {
    metrics.request('passed')
    return forward(incoming, client, null)
  }
  const received = await deps.receive(incoming, client, RESPONSES)
  if (received === 'client-left') return metrics.cancelled('before-answer')
  const body = received === 'no-room' ? null : await deps.expander.expandItems(received, list)
  if (body === 'client-left') return metrics.cancelled('before-answer')
  metrics.request('passed')
  forward(incoming, client, body)
}

/** Answers; never rejects, because its caller does not wait for it. */
export const createPassExpanded =
  (deps: PassExpandedDeps) =>
  async (list: ItemList, incoming: IncomingMessage, client: Client): Promise<void> => {
    try {
      await deps.access?.callerOf(incoming).admitPassage(incoming)
      await passAdmitted(deps, list, incoming, client)
    } catch (thrown) {
      refuse(deps, client, thrown)
    }
  }
