/**
 * The protocols that a WebSocket client offers. A page cannot set headers, so it sends its key as one of them:
 * `realtime, openai-insecure-api-key.sk-…, openai-project.proj_…`.
 */
import { isSecret } from '../core/keys/issued-key.ts'
import { isSecretName } from '../core/credential-names.ts'

/** Names in lower case. */
export const PROTOCOL_HEADER = 'sec-websocket-protocol'

const KEY_PREFIX = 'openai-insecure-api-key.'
/** Choose the account. */
const SELECTORS = new Set(['openai-organization', 'openai-project'])

const offeredIn = (value: string): string[] =>
  value
    .split(',')
    .map((protocol) => protocol.trim())
    .filter((protocol) => protocol !== '')

/** The part behind the first dot; the whole text without one. */
const behindDot = (protocol: string): string => protocol.slice(protocol.indexOf('.') + 1)

/** Keys that a page sends as OpenAI's API reads them. */
export const keysIn = (value: string): string[] =>
  offeredIn(value)
    .filter((protocol) => protocol.toLowerCase().startsWith(KEY_PREFIX))
    .map(behindDot)

/** No name of a protocol has more. */
const MAX_DOTS = 32

/** A protocol, and what stands behind each of its dots: a name may have dots, and a key has none. */
const endsOf = (protocol: string): string[] => {
  const parts = protocol.split('.', MAX_DOTS)
  let from = 0
  return parts.map((part) => {
    const end = protocol.slice(from)
    from += part.length + 1
    return end
  })
}

/** Every text that may be a secret: each protocol, and each without its name. */
export const secretsIn = (value: string): string[] => offeredIn(value).flatMap(endsOf)

const isCredential = (protocol: string): boolean => {
  const [name = ''] = protocol.toLowerCase().split('.', 1)
  return SELECTORS.has(name) || isSecretName(name) || endsOf(protocol).some(isSecret)
}

/** The protocols that choose no account and prove nothing; '' for none. */
export const withoutCredentials = (value: string): string =>
  offeredIn(value)
    .filter((protocol) => !isCredential(protocol))
    .join(', ')
