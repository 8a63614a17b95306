/** The bodies of a record, read as the proxy reads them. */
import type { ChatCompletion, ChatRequest } from '../../openai/chat.ts'
import { dialectOfRecord } from '../../openai/dialect.ts'
import { readChatRequest } from '../request/chat-reading.ts'

/** One body of a record, or of what was asked again for it. */
type Logged<Body extends string> = { path: string } & Record<Body, string | null>

/** @returns null for a body that the proxy does not match either: pruned, invalid, too long or too deep */
export const requestOf = ({ path, request }: Logged<'request'>): ChatRequest | null => {
  if (request === null) return null
  const { outcome } = readChatRequest(Buffer.from(request), dialectOfRecord({ path }))
  return typeof outcome !== 'string' && outcome.isWhole ? outcome.request : null
}

/** @returns null for text that is not JSON, such as an error page of the upstream */
export const completionOf = ({ path, response }: Logged<'response'>): ChatCompletion | null => {
  if (response === null) return null
  try {
    return dialectOfRecord({ path }).completionOf(JSON.parse(response))
  } catch {
    return null
  }
}
