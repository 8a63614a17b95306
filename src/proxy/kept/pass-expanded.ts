/**
 * Requests that take items like a completion and are not one: of the Responses API the compaction of a conversation
 * and the count of its tokens, and new items of a conversation that the provider keeps. They pass, with answers
 * of ours in the places of their ids.
 */
import type { IncomingMessage } from 'node:http'
import { RESPONSES } from '../../openai/dialect.ts'
import type { ItemList } from '../../openai/responses/own-items.ts'
import type { Client } from '../client/client.ts'
import { refuse } from '../client/refuse.ts'
import type { ChatDeps } from '../deps.ts'
import { BYPASS_HEADER } from '../headers.ts'
import { passThrough } from '../pass-through.ts'
import { receive } from '../receive.ts'
import { expanded } from './expand.ts'

const LISTS: [RegExp, ItemList][] = [
  [/^\/v1\/responses\/(?:compact|input_tokens)$/, 'input'],
  [/^\/v1\/conversations(?:\/[^/]+\/items)?$/, 'items'],
]

/** @param path without a query @returns the member with the items; null for any other request */
export const itemListAt = (method: string | undefined, path: string): ItemList | null =>
  method === 'POST' ? (LISTS.find(([pattern]) => pattern.test(path))?.[1] ?? null) : null

/** Streamed unread, as any request that is no completion. One that does not say its length gets 413. */
const isUnread = ({ limits }: ChatDeps, { headers }: IncomingMessage): boolean =>
  headers[BYPASS_HEADER] === 'true' || Number(headers['content-length'] ?? 0) > limits.maxBodyBytes

const passAdmitted = async (
  deps: ChatDeps,
  list: ItemList,
  incoming: IncomingMessage,
  client: Client
): Promise<void> => {
  if (isUnread(deps, incoming)) {
    deps.metrics.request('passed')
    return passThrough(deps, incoming, client)
  }
  const arrived = await receive(deps, incoming, client, RESPONSES)
  if (arrived === 'client-left') return deps.metrics.cancelled('before-answer')
  const body =
    arrived === 'no-room' ? null : await expanded(deps, { ...arrived, list, isCompletion: false })
  if (body === 'client-left') return deps.metrics.cancelled('before-answer')
  deps.metrics.request('passed')
  passThrough(deps, incoming, client, body)
}

/** Answers; never rejects, because its caller does not wait for it. */
export const passExpanded = async (
  deps: ChatDeps,
  list: ItemList,
  incoming: IncomingMessage,
  client: Client
): Promise<void> => {
  try {
    await deps.access?.callerOf(incoming).admitPassage(incoming)
    await passAdmitted(deps, list, incoming, client)
  } catch (thrown) {
    refuse(deps, client, thrown)
  }
}
