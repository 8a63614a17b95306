/**
 * What the matcher reads over in a request's messages and an upstream may not: names, roles other than the
 * template's, and members that are null. Knows nothing of texts.
 */
import type { ChatMessage } from '../../openai/chat.ts'
import { CACHE_MARK, isOfAnswer } from '../request/request-scan.ts'

/** Null is no name either, and some upstreams take it. */
export const hasValidName = ({ name }: ChatMessage): boolean =>
  name === undefined || name === null || typeof name === 'string'

/** Members of every message; the matcher compares their values, or `request-scan.ts` says why they do not matter. */
const READ = new Set(['role', 'content', CACHE_MARK])

const told = (message: ChatMessage, role: string | undefined): [string, unknown][] => {
  const others = Object.entries(message).filter(
    ([name]) => !READ.has(name) && !isOfAnswer(message, name)
  )
  return role === undefined || role === message.role ? others : [['role', message.role], ...others]
}

/**
 * Such members by the place of their message and their name, as `1.name`.
 * @param roles of the template's messages
 */
export const toldMembers = (
  messages: readonly ChatMessage[],
  roles: readonly string[]
): Record<string, unknown> =>
  Object.fromEntries(
    messages.flatMap((message, at) =>
      told(message, roles[at]).map(([name, value]) => [`${at}.${name}`, value])
    )
  )
