/**
 * The wire formats of requests that the proxy reads. Each is read into a chat request and a chat completion,
 * on which everything else works, and an answer of a lora is rendered in the caller's. What the upstream gets
 * and answers stays as it was sent.
 */
import { CompletionAccumulator } from './accumulate.ts'
import type { AnswerAccumulator, RenderedAnswer } from './answer.ts'
import type { ChatCompletion, ChatRequest } from './chat.ts'
import { completionId, responseId } from './ids.ts'
import { renderCompletion, renderEvents } from './render.ts'
import { readResponsesRequest } from './responses/read-request.ts'
import { completionOfResponse, ResponseAccumulator } from './responses/read-response.ts'
import { renderResponse, renderResponseEvents } from './responses/render.ts'

export interface Dialect {
  name: 'chat' | 'responses'
  path: string
  /** behind an upstream's base address, which ends with the API's version */
  pathBelowBase: string
  /** members with which a request is sent again to be compared: whole, and not kept by the provider */
  askedAgain: Record<string, unknown>
  /** @param record id of the exchange, a UUID */
  answerId(record: string): string
  /** whether a stream has its usage only where the request asks for it */
  asksForUsage: boolean
  /**
   * Clients may close after it. Line ends in an answer's JSON are escaped, so no text contains it.
   */
  lastEvent: string
  /** @param body parsed JSON @returns null where it cannot be read whole */
  requestOf(body: unknown): ChatRequest | null
  /** @param answer parsed JSON @returns null for an error, or an answer that a completion cannot hold */
  completionOf(answer: unknown): ChatCompletion | null
  accumulator(): AnswerAccumulator
  /** @param request the parsed body that it answers */
  render(answer: RenderedAnswer, request: Record<string, unknown>): object
  /** All events of a stream. */
  renderEvents(answer: RenderedAnswer, request: Record<string, unknown>): string
}

const isMessage = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && 'role' in value && typeof value.role === 'string'

const isChatRequest = (body: Partial<ChatRequest> | null): body is ChatRequest =>
  typeof body?.model === 'string' && Array.isArray(body.messages) && body.messages.every(isMessage)

const wantsUsage = (request: Record<string, unknown>): boolean =>
  (request['stream_options'] as ChatRequest['stream_options'])?.include_usage === true

export const CHAT: Dialect = {
  name: 'chat',
  path: '/v1/chat/completions',
  pathBelowBase: '/chat/completions',
  askedAgain: { stream: false },
  answerId: completionId,
  asksForUsage: true,
  lastEvent: '\ndata: [DONE]',
  requestOf: (body) =>
    isChatRequest(body as Partial<ChatRequest> | null) ? (body as ChatRequest) : null,
  completionOf: (answer) => answer as ChatCompletion | null,
  accumulator: () => new CompletionAccumulator(),
  render: renderCompletion,
  renderEvents: (answer, request) => renderEvents(answer, wantsUsage(request)),
}

export const RESPONSES: Dialect = {
  name: 'responses',
  path: '/v1/responses',
  pathBelowBase: '/responses',
  askedAgain: { stream: false, store: false },
  answerId: responseId,
  asksForUsage: false,
  lastEvent: '\nevent: response.completed',
  requestOf: readResponsesRequest,
  completionOf: completionOfResponse,
  accumulator: () => new ResponseAccumulator(),
  render: renderResponse,
  renderEvents: renderResponseEvents,
}

const BY_PATH = new Map([CHAT, RESPONSES].map((dialect) => [dialect.path, dialect]))

/** @param path of a request, without its query @returns null for any other endpoint */
export const dialectAt = (path: string): Dialect | null => BY_PATH.get(path) ?? null

/** @param path of a record, which may have a query */
export const dialectOfRecord = ({ path }: { path: string }): Dialect =>
  dialectAt(path.replace(/\?.*/s, '')) ?? CHAT
