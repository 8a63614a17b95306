/** Which answers are kept, and under which ids. */
import type { KeptResponse } from '../../core/log/kept-response.ts'
import type { ChatRequest } from '../../openai/chat.ts'
import { RESPONSES } from '../../openai/dialect.ts'
import type { ChatDeps } from '../deps.ts'
import type { ChatExchange } from '../exchange.ts'

/** Whether the caller may ask for the answer again. */
export const mustKeep = (request: ChatRequest): boolean => request['responses.store'] !== undefined

/** What is not logged is not kept either. */
export const canKeep = (
  { keptResponses }: Pick<ChatDeps, 'keptResponses'>,
  { isCaptured }: Pick<ChatExchange, 'isCaptured'>
): boolean => keptResponses !== null && isCaptured

/** @returns the id of the record; null for an id that is the provider's */
export const recordIdOf = (responseId: string): string | null =>
  responseId.startsWith(RESPONSES.idPrefix) ? responseId.slice(RESPONSES.idPrefix.length) : null

/** @param response body of the answer */
export const keptOf = (
  { id, tenant, at, body }: Pick<ChatExchange, 'id' | 'tenant' | 'at' | 'body'>,
  response: string
): KeptResponse => ({ id, tenant, at: Math.floor(at), request: body.toString(), response })
