/** The bodies of a record, read as the proxy reads them. */
import type { ChatCompletion, ChatRequest } from '../../openai/chat.ts'
import { readChatRequest } from '../request/chat-reading.ts'

/** @returns null for a body that the proxy does not match either: pruned, invalid, too long or too deep */
export const requestOf = ({ request }: { request: string | null }): ChatRequest | null => {
  if (request === null) return null
  const { outcome } = readChatRequest(Buffer.from(request))
  return typeof outcome !== 'string' && outcome.isWhole ? outcome.request : null
}

/** @returns null for text that is not JSON, such as an error page of the upstream */
export const completionOf = (text: string | null): ChatCompletion | null => {
  if (text === null) return null
  try {
    return JSON.parse(text) as ChatCompletion
  } catch {
    return null
  }
}
