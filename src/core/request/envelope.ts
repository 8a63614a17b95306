/**
 * What stands around a request's body and can change its answer: parameters of its address (`?api-version=…`) and
 * headers (`openai-beta`). A proof says nothing of requests with another envelope, so it is part of their kind.
 * Knows nothing of connections and credentials.
 */
import { hash } from 'node:crypto'
import type { ChatRequest } from '../../openai/chat.ts'

/** Of a request whose envelope says nothing. */
export const PLAIN = ''

/** The member of a request's kind that has it; a client that sends such a member is not answered by a route. */
export const ENVELOPE_MEMBER = '(address and headers)'

const MAX_CHARS = 512

interface Envelope {
  /** from `?` on, without credentials; '' without parameters */
  query: string
  headers: readonly (readonly [name: string, value: string])[]
}

/** Equal only for equal envelopes; long ones become a digest. The order of different headers says nothing. */
export const envelopeText = ({ query, headers }: Envelope): string => {
  const lines = headers.map(([name, value]) => `${name}: ${value}`).sort()
  const text = [...(query === '' ? [] : [query]), ...lines].join('\n')
  return text.length > MAX_CHARS ? `sha256:${hash('sha256', text)}` : text
}

/** The request with its envelope as a member. @returns null where the client sent a member of that name */
export const withEnvelope = (request: ChatRequest, envelope: string): ChatRequest | null => {
  if (Object.hasOwn(request, ENVELOPE_MEMBER)) return null
  return envelope === PLAIN ? request : { ...request, [ENVELOPE_MEMBER]: envelope }
}
